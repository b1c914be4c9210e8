"""pix2pixHD: large photos from label maps, maps of instances and what describes them (Wang et al. 2018)."""

from collections import OrderedDict
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from dnnlib.label_maps import colors, edges, one_hot
from dnnlib.util import get_obj_by_name, UserError
from training.blocks import label_maps
from training.methods import judging, translating
from training.methods.plateau import Plateau
from training.terms import content
from training.train_step import Group, Method, report_mean, Translation

PERCEPTUAL = ('vgg19', 'vgg16', 'none')
SLICES = 'metrics.features.slices'  # by name, as metrics are: the packages of metrics stand above those of training


class Options(NamedTuple):
    """Options of pix2pixHD; defaults are the published ones."""
    G_args: dict = None            # generator: func_name and keyword arguments; 1024 pixels: num_enhancers=1, fmaps=32
    D_args: dict = None            # discriminators, which see what is drawn from as well; num_scales=3 for 1024 pixels
    E_args: dict = None            # encoder of instances; out_channels = numbers for each
    G_opt_args: dict = None        # tflib.Optimizer of the generator
    E_opt_args: dict = None        # tflib.Optimizer of the encoder, which steps with the generator
    D_opt_args: dict = None        # tflib.Optimizer of the discriminators
    criterion: str = 'lsgan'       # what scores are worth: lsgan, vanilla, hinge or wgangp
    label_nc: int = 35             # number of labels; 0 = side A has pictures
    instance_feat: bool = False    # describe each instance by what an encoder sees in it?
    feature_matching: bool = True  # compare features of the discriminators? False: published as --no_ganFeat_loss
    lambda_feat: float = 10.0      # weight of the features of the discriminators, and of the perceptual ones
    perceptual: str = 'vgg19'      # network whose features are compared: vgg19 (published), vgg16, none (--no_vgg_loss)
    niter_fix_global: int = 0      # epochs in which only the last enhancer is trained; published for 1024 pixels: 10
    pool_size: int = 0             # earlier fakes that the discriminators are shown again; 0 = none, as published
    augment_args: dict = None      # what discriminators see of maps and photos, see `judging`; None = all


class Inputs(NamedTuple):
    """What one minibatch is drawn from."""
    conditions: tf.Tensor  # label planes or pictures, and edges of instances: what D sees, too, [N, C, H, W]
    maps: tf.Tensor        # the same with the encoder's features: what G is given
    photos: tf.Tensor      # the truth
    colors: int            # number of the first conditions that are colors of a picture


def pix2pixhd(streams, schedule, **options):
    """The method, for the streams 'a' (label maps or pictures), 'b' (photos) and perhaps 'inst' (maps of instances).

    Args:
        streams: {name: Stream}, all in the same order.
        schedule: Schedule with the fields `lrate` and, for niter_fix_global, `epoch_images`.
        options: Fields of Options.
    Returns: Method.
    Raises: UserError for options that don't fit, or weights of the perceptual network that can't be found.
    """
    options, has_instances = Options(**options), 'inst' in streams
    a, b = translating.data_of(OrderedDict((name, stream) for name, stream in streams.items() if name != 'inst'), True)
    check(options, a, has_instances, (options.G_args or {}).get('num_enhancers', 0))
    perceptual = load_perceptual(options.perceptual)
    channels = (options.label_nc or a.shape[0]) + has_instances
    nets = OrderedDict()
    if options.instance_feat:
        nets['E'] = translating.net(options.E_args, 'training.networks.pix2pixhd.E_pix2pixhd', b, 'encoder',
                                    out_channels=3)
    features = nets['E'].options['out_channels'] if options.instance_feat else 0
    nets['G'] = translating.net(options.G_args, 'training.networks.pix2pixhd.G_pix2pixhd', a, out_channels=b.shape[0],
                                num_channels=channels + features)
    nets['D'] = translating.net(options.D_args, 'training.networks.patchgan.D_multiscale', b, 'discriminator',
                                num_channels=channels + b.shape[0])
    nets.move_to_end('G', last=False)
    groups = {name: Group((name,), getattr(options, name + '_opt_args') or translating.ADAM, 'lrate') for name in nets}
    if options.niter_fix_global:
        groups['G_enhancer'] = groups['G']._replace(frozen=below_last_enhancer)
    size = schedule.last.minibatch_gpu
    sources = ('a',) + ('inst',) * has_instances + ('b',) * options.instance_feat  # features are those of the truth
    return Method('pix2pixhd', nets, groups, stages=lambda step: make_stages(step, options, perceptual),
                  pictures=lambda networks, cells: pictures(networks, cells, options, size),
                  sheets=lambda cells: sheets(cells, options, size),
                  translation=Translation(lambda networks, images: draw(networks, images, options, size), sources))


def check(options, a, has_instances, num_enhancers):
    """Raises UserError for options that don't fit each other, the dataset of side A, or what there is."""
    translating.criterion(options.criterion)
    judging.check(options.augment_args, options.criterion)
    if options.perceptual not in PERCEPTUAL:
        raise UserError(f'perceptual must be {", ".join(PERCEPTUAL)}, not {options.perceptual!r}')
    if options.label_nc and a.shape[0] != 1:
        raise UserError(f'label_nc={options.label_nc}: side A must be label maps of one channel, not images of '
                        f'{a.shape[0]}; label_nc=0 is for pictures')
    if options.instance_feat and not has_instances:
        raise UserError('instance_feat needs maps of instances: give a dataset with the folder train_inst')
    if options.niter_fix_global and not num_enhancers:
        raise UserError('niter_fix_global trains the last local enhancer alone, but there is none; set '
                        'G.num_enhancers=1, or niter_fix_global=0')


def load_perceptual(name):
    """(name, weights) of the perceptual network; None for 'none'. Raises UserError naming what else there is."""
    if name == 'none':
        return None
    try:
        return name, get_obj_by_name(SLICES + '.load')(name)
    except UserError as error:
        others = '|'.join(other for other in PERCEPTUAL if other != name)
        raise UserError(f'{error}; or choose another perceptual term: --set train.perceptual={others}') from error


def below_last_enhancer(networks):
    """Local names of what is not trained while only the last local enhancer of the generator is."""
    names = list(networks['G'].trainables)
    last = max(name.split('/')[0] for name in names if name.startswith('Enhancer'))
    return [name for name in names if not name.startswith(last + '/')]


def make_stages(step, options, perceptual):
    """One stage, in which all networks step from what they were before it: everything is computed once."""
    rate, judges = Plateau(step), judging.Judging(step, options.augment_args, options.criterion)
    with step.losses('GD'):
        inputs = make_inputs(step, options)
        fakes = translating.in_training(step.nets['G'], inputs.maps)
        seen_fakes, photos, conditions = seen(judges, fakes, inputs, options)
        (fake_scores, fake_features), (real_scores, real_features) = (
            judged(step, conditions, images) for images in (seen_fakes, photos))
        judges.count(*real_scores)
        criterion = translating.criterion(options.criterion)
        G_loss = report_mean('Loss/G_GAN', total(criterion.fooled, fake_scores))
        # As published: over the layers but the last, 4 / (layers - 1) for each; over the scales, the mean.
        weight = 4 * options.lambda_feat / len(fake_features[0]) / len(fake_features)
        if options.feature_matching:
            G_loss += report_mean('Loss/G_GAN_Feat', weight * tf.add_n([
                content.feature_matching(fake, real) for fake, real in zip(fake_features, real_features)]))
        if perceptual is not None:
            distance = get_obj_by_name(SLICES + '.Slices')(*perceptual).distance(fakes, inputs.photos)
            G_loss += report_mean('Loss/G_VGG', options.lambda_feat * distance)
        if options.pool_size:
            fake_scores = scores_of_pool(step, judges, inputs, fakes, options)
        D_loss = 0.5 * (report_mean('Loss/D_fake', total(criterion.fake, fake_scores))
                        + report_mean('Loss/D_real', total(criterion.real, real_scores)))
    others = dict(E=G_loss, D=D_loss) if options.instance_feat else dict(D=D_loss)
    post = judges.post + rate.post(G_loss)
    stage = step.train('GD', dict(others, G=G_loss), batch='this', joint=True, post=post)
    if not options.niter_fix_global:
        return rate.stages() + [stage] + judges.stages()
    begins = step.sched.derive('is_whole', lambda sched: float(
        sched['kimg'] * 1000 >= options.niter_fix_global * sched['epoch_images']))
    is_whole, is_enhancer = (step.state(name, [], initial=False) for name in ('is_whole', 'is_enhancer'))
    chosen = tf.group(tf.assign(is_whole, begins > 0.5), tf.assign(is_enhancer, begins < 0.5))
    first = step.train('GD_enhancer', dict(others, G_enhancer=G_loss), batch='this', joint=True, post=post)
    trained = [first._replace(when=is_enhancer), stage._replace(when=is_whole)]
    return rate.stages() + [step.run('choose', chosen)] + trained + judges.stages()


def make_inputs(step, options):
    """Inputs of the session call."""
    a, photos = step.batch['a'].images, step.batch['b'].images
    planes = [label_maps.one_hot(translating.numbers(a), options.label_nc) if options.label_nc else a]
    instances = translating.numbers(step.batch['inst'].images) if 'inst' in step.batch else None
    planes += [] if instances is None else [label_maps.edges(instances)]
    conditions = maps = tf.concat(planes, axis=1)
    if options.instance_feat:
        maps = tf.concat(planes + [step.nets['E'].get_output_for(photos, instances)], axis=1)
    return Inputs(conditions, maps, photos, 0 if options.label_nc else a.shape.as_list()[1])


def seen(judges, fakes, inputs, options):
    """(fakes, photos, what they are drawn from) as discriminators see them: all augmented alike, since the features of
    a fake are compared with those of its photo."""
    if not judges.is_on or options.label_nc:
        return judges.see(fakes, inputs.photos, maps=[inputs.conditions])
    maps = [inputs.conditions[:, inputs.colors:]] if inputs.conditions.shape.as_list()[1] > inputs.colors else []
    found = judges.see(fakes, inputs.photos, inputs.conditions[:, :inputs.colors], maps=maps)
    return found[:2] + [tf.concat(found[2:], axis=1)]


def scores_of_pool(step, judges, inputs, fakes, options):
    """[scores of each scale] of fakes, some of them earlier ones, with what these were drawn from."""
    parts = [inputs.conditions, fakes]
    conditions, fakes = tf.split(translating.query_pool(step, 'pool', tf.concat(parts, axis=1), options.pool_size), [
        part.shape.as_list()[1] for part in parts], axis=1)
    fakes, _, conditions = seen(judges, fakes, inputs._replace(conditions=conditions), options)
    return judged(step, conditions, fakes)[0]


def judged(step, conditions, images):
    """([scores of each scale], [[feature maps of all layers but the last] of each scale]) of images."""
    D = step.nets['D']
    found = translating.in_training(D, tf.concat([conditions, images], axis=1), return_features=True)
    scales = D.num_outputs
    layers = len(found) // scales
    scales = [found[i * layers:(i + 1) * layers] for i in range(scales)]
    return [layers[-1] for layers in scales], [layers[:-1] for layers in scales]


def total(formula, scores):
    """Sum over the scales of the mean of a formula."""
    return tf.add_n([tf.reduce_mean(formula(values)) for values in scores])


def draw(networks, images, options, minibatch_size):
    """What is drawn from pictures of the streams, uint8 [N, C, H, W]; as features those of the photos.

    Args:
        networks: {name: Network}.
        images: {stream: uint8 [N, C, H, W]}.
        options: Options.
        minibatch_size: Pictures at a time.
    """
    found = []
    for begin in range(0, len(images['a']), minibatch_size):  # the planes of labels are large
        part = {name: values[begin:begin + minibatch_size] for name, values in images.items()}
        instances = numbers(part['inst']) if 'inst' in part else None
        maps = planes(part['a'], instances, options.label_nc)
        if options.instance_feat:
            inputs = part['b'].astype(np.float32) / 127.5 - 1, instances.astype(np.float32)
            maps = np.concatenate([maps, networks['E'].run(*inputs)], axis=1)
        found.append(np.clip(np.rint((networks['G'].run(maps) + 1) * 127.5), 0, 255).astype(np.uint8))
    return np.concatenate(found)


def pictures(networks, cells, options, minibatch_size):
    """Rows of the label maps in colors, or the pictures of side A; what is drawn from them; the truth."""
    images = {name: cells.batch[name][0] for name in cells.batch}
    source = colors(images['a']) if options.label_nc else images['a']
    return translating.rows(cells, source, draw(networks, images, options, minibatch_size), images['b'])


def sheets(cells, options, minibatch_size):
    """What augmentation makes of data, see `judging.sheets`."""
    images = {name: cells.batch[name][0] for name in cells.batch}
    if options.label_nc:
        return judging.sheets(options.augment_args, [images['b']], [images['a']], colors, minibatch_size)
    return judging.sheets(options.augment_args, [images['a'], images['b']], minibatch_size=minibatch_size)


def numbers(images):
    """Numbers of maps of bytes, see `training.data.translation`: int64 [N, 1, H, W] of uint8 [N, bytes, H, W]."""
    return np.sum(images * 256 ** np.arange(images.shape[1])[:, np.newaxis, np.newaxis], axis=1, keepdims=True)


def planes(source, instances, label_nc):
    """What is drawn from, without features: float32 [N, C, H, W]; the same as in the graph of the training.

    Args:
        source: Label maps [N, 1, H, W] or, with label_nc = 0, pictures uint8 [N, C, H, W].
        instances: Numbers of instances [N, 1, H, W], or None.
        label_nc: Number of labels.
    """
    found = [one_hot(source, label_nc) if label_nc else np.float32(source / 127.5 - 1)]
    return np.concatenate(found + ([] if instances is None else [edges(instances)]), axis=1)
