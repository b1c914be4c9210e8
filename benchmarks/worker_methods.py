"""What benchmarks/workers.py trains: methods on tiny networks, as functions of the number of workers."""

import atexit
import functools
import os
import shutil
import tempfile

from benchmarks import worker_latents
from dnnlib.util import get_obj_by_name

NARROW = worker_latents.NARROW
ADAM = worker_latents.ADAM
STYLEGAN2 = dict(
    G_args=dict(func_name='training.networks_stylegan2.G_main', **NARROW),
    D_args=dict(func_name='training.networks_stylegan2.D_stylegan2', fmap_base=64, fmap_max=8),
    G_loss_args=dict(func_name='training.loss.G_logistic_ns_pathreg'),
    D_loss_args=dict(func_name='training.loss.D_logistic_r1', gamma=1.0), G_opt_args=ADAM, D_opt_args=ADAM,
    dataset_args=dict(tfrecord_dir='cats', resolution=8, max_label_size='full'), G_reg_interval=2, D_reg_interval=3)
AUGMENTED = dict(xflip=1, rotate=1, scale=1, brightness=1, tune_kimg=1, initial_strength=0.5)
TOYS = 'tests.training.methods.toys'
CATS = dict(tfrecord_dir='cats', resolution=8)
GPU = 4  # images per worker and round


def _sched(workers, rounds):
    """8 x 8 pixels: `workers` times `rounds` parts of 4 images."""
    return dict(minibatch_size_base=GPU * workers * rounds, minibatch_gpu_base=GPU, tick_kimg_dict={8: 0.2},
                lrate_rampup_kimg=0.2)


def _growing(workers):
    """4 to 16 pixels, with other minibatches at first."""
    G = dict(func_name='training.networks_stylegan2.G_main', synthesis_func='G_synthesis_stylegan_revised', **NARROW)
    D = dict(func_name='training.networks_stylegan2.D_stylegan', fmap_base=64, fmap_max=8)
    sched = dict(lod_initial_resolution=4, lod_training_kimg=0.04 * workers, lod_transition_kimg=0.04 * workers,
                 minibatch_size_base=GPU * workers, minibatch_size_dict={4: 2 * GPU * workers}, minibatch_gpu_base=GPU,
                 minibatch_gpu_dict={4: 2 * GPU}, tick_kimg_base=0.1, tick_kimg_dict={})
    return dict(STYLEGAN2, dataset_args=dict(tfrecord_dir='cats', resolution=16), G_args=G, D_args=D, sched_args=sched)


def _config_f(workers):
    """64 x 64 pixels, a minibatch of 8 for all workers together; a tick is 16 iterations, D_reg_interval."""
    def full(name):
        return dict(func_name='training.networks_stylegan2.' + name)
    return dict(STYLEGAN2, dataset_args=dict(tfrecord_dir='cats', resolution=64), G_args=full('G_main'),
                D_args=full('D_stylegan2'), G_reg_interval=4, D_reg_interval=16, sched_args=dict(
                    minibatch_size_base=8, minibatch_gpu_base=8 // workers, tick_kimg_dict={64: 0.128}))


JUDGE = dict(D_args=dict(fmaps=2, num_layers=1))
WIDTHS = dict(fmap_base=64, fmap_max=8)


def _translation(workers, method, further=(), size=16, **options):
    """Cats of size x size pixels on both sides; of further streams all pixels are numbers."""
    streams = dict(a=CATS, b=dict(CATS, held_out=True), **{name: CATS for name in further})
    sched = dict(func_name='training.schedule.translation_schedule', minibatch_size=2 * workers, minibatch_gpu=2,
                 epoch_images=2 * workers, lr_policy='plateau')
    return dict(method_args=dict(options, func_name='training.methods.' + method), sched_args=sched, stream_args={
        name: dict(stream, resolution=size) for name, stream in streams.items()})


@functools.lru_cache()
def _domain_set():
    """Folder of 18 cats of three domains, the same in every process, which removes it at its end."""
    from training.data.making.cats_domains import write_set
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, True)
    write_set(os.path.join(folder, 'set'), 'families', 16, 18, 6)
    return os.path.join(folder, 'set')


def _domains(workers, method, streams, **options):
    """Cats of 16 x 16 pixels; `streams`: {name: options of its DomainDataset}."""
    data = dict(class_name='training.data.translation.domains.DomainDataset', tfrecord_dir=_domain_set(), train='train',
                test='test', load_size=16, crop_size=16)
    sched = dict(func_name='training.schedule.domain_schedule', minibatch_size=2 * workers, minibatch_gpu=2,
                 tick_images=4 * workers)
    return dict(method_args=dict(options, func_name='training.methods.' + method), sched_args=sched, dataset_args=data,
                stream_args=streams)


def _of_latents(method, size, workers):
    """A method of worker_latents on cats of size x size pixels; ProGAN grows from 4x4."""
    sched = dict(_sched(workers, 1), tick_kimg_dict={}, tick_kimg_base=0.2)
    if method['func_name'].endswith('progan'):
        sched.update(lod_initial_resolution=4, lod_training_kimg=0.04 * workers, lod_transition_kimg=0.08 * workers)
    return dict(method_args=method, sched_args=sched, dataset_args=dict(
        CATS, resolution=size, max_label_size=worker_latents.num_classes(method)))


SPEED = '64x64 config-f'
METHODS = {  # name -> function of (number of workers) that returns keyword arguments of the training loop
    'StyleGAN2': lambda n: dict(STYLEGAN2, sched_args=_sched(n, 1)),
    'StyleGAN2, 2 rounds each': lambda n: dict(STYLEGAN2, sched_args=_sched(n, 2)),
    'growing': _growing,
    'ADA': lambda n: dict(STYLEGAN2, sched_args=_sched(n, 1), augment_args=dict(AUGMENTED, tune_heuristic='rt')),
    'ADA, held-out scores': lambda n: dict(STYLEGAN2, sched_args=_sched(n, 1), holdout=0.1,
                                           augment_args=dict(AUGMENTED, tune_heuristic='rv')),
    'pools': lambda n: dict(
        method_args=dict(func_name=TOYS + '.cycle'), stream_args=dict(a=CATS, b=dict(CATS, held_out=True)),
        sched_args=dict(func_name=__name__ + '.toy_schedule', minibatch_size=GPU * n)),
    'CycleGAN': lambda n: _translation(n, 'cyclegan.cyclegan', G_args=dict(fmaps=2, num_blocks=1), pool_size=2,
                                       **JUDGE),
    'pix2pix': lambda n: _translation(
        n, 'pix2pix.pix2pix', size=32, G_args=dict(fmaps=1, num_downs=5), D_args=dict(JUDGE['D_args'], norm='batch'),
        augment_args=dict(xflip=1, brightness=1, tune_kimg=1, initial_strength=0.5, tune_heuristic='rt')),
    'SinCUT': lambda n: _translation(n, 'sincut.sincut', G_args=dict(fmaps=1, num_blocks=2), F_args=dict(fmaps=4),
                                     D_args=dict(fmaps=1), nce_layers=(0, 2, 3), augment_args=dict(
                                         AUGMENTED, tune_heuristic='rt')),
    'U-GAT-IT': lambda n: _translation(n, 'ugatit.ugatit', G_args=dict(fmaps=2, num_blocks=1, light=True),
                                       D_args=dict(fmaps=2, num_layers=4)),
    'pix2pixHD': lambda n: _translation(
        n, 'pix2pixhd.pix2pixhd', ('inst',), G_args=dict(fmaps=2, num_blocks=1, num_downs=1), E_args=dict(
            fmaps=2, num_downs=1), label_nc=0, instance_feat=True, perceptual='none', augment_args=dict(
                AUGMENTED, tune_heuristic='rt'), **JUDGE),
    'BigGAN': lambda n: dict(
        method_args=dict(func_name='training.methods.classes.classes', num_D_steps=2, G_ortho=0.001, D_ortho=0.001,
                         G_args=dict(fmaps=2, latent_size=8, shared_size=4, attention=[16]), D_args=dict(fmaps=2),
                         G_opt_args=ADAM, D_opt_args=ADAM, ema_start=1, ema_decay=0.5),
        dataset_args=dict(tfrecord_dir='cats', resolution=32, max_label_size=15),
        sched_args=dict(_sched(n, 1), tick_kimg_dict={32: 0.2})),
    **{name: functools.partial(_of_latents, method, size) for name, (method, size) in worker_latents.METHODS.items()},
    'StarGAN': lambda n: _domains(
        n, 'stargan.stargan', dict(a={}, b={}), n_critic=2, kinds=['classes', 'classes'],
        G_args=dict(fmaps=2, num_blocks=1), D_args=dict(fmaps=2, num_layers=3)),
    'StarGAN v2': lambda n: _domains(
        n, 'stargan2.stargan2', dict(source=dict(balanced=True, crop_prob=0.5), reference=dict(
            balanced=True, crop_prob=0.5, pairs=True)), masked=False, ds_iter=3, F_args=dict(
                fmaps=8, latent_size=4, style_size=4), **{f'{name}_args': WIDTHS for name in 'GDE'}),
    SPEED: _config_f,
}


def toy_schedule(cur_nimg, dataset, minibatch_size=8):
    """Schedule of the tests' toys, with another minibatch."""
    toys_schedule = get_obj_by_name(TOYS + '.schedule')
    return dict(toys_schedule(cur_nimg, dataset), minibatch_size=minibatch_size, minibatch_gpu=GPU, tick_kimg=0.2)
