"""The network of landmarks: trained on drawn points, opened by the method whose masks are made with it."""

from types import SimpleNamespace

import numpy as np
import PIL.Image
import tensorflow.compat.v1 as tf

from dnnlib import EasyDict, tflib
from training import pretrained
from training.blocks import landmarks
from training.methods import stargan2
from training.report.grid import Cells
from training.state import transfer
from training.training_loop import training_loop


def draw_rectangles(folder, count):
    """Writes pictures of white rectangles, and the list of their corners."""
    rnd, lines = np.random.RandomState(0), []
    for i in range(count):
        (left, top), (right, bottom) = rnd.randint(4, 24, 2), rnd.randint(36, 60, 2)
        pixels = np.zeros([64, 64, 3], np.uint8)
        pixels[top:bottom, left:right] = 255
        PIL.Image.fromarray(pixels).save(str(folder / f'{i}.png'))
        lines.append(f'{i}.png {left} {top} {right} {top} {right} {bottom} {left} {bottom}')
    (folder / 'points.txt').write_text('\n'.join(lines))
    return str(folder / 'points.txt')


def test_trained_and_used_for_masks(tmp_path):
    points, losses = draw_rectangles(tmp_path, 4), []
    with tf.Graph().as_default():
        (tmp_path / 'run').mkdir()
        training_loop(
            submit_config=EasyDict(run_dir=str(tmp_path / 'run')), total_kimg=0.04, minibatch_repeats=1,
            method_args=dict(func_name='training.methods.fan.fan', H_args=dict(fmaps=8)), grid_args=dict(size='2x1'),
            stream_args=dict(faces=dict(class_name='training.data.translation.landmarks.LandmarkDataset',
                                        tfrecord_dir=str(tmp_path), landmarks=points, load_size=64, crop_size=64)),
            sched_args=dict(func_name='training.schedule.domain_schedule', minibatch_size=4, lrate=0.002,
                            tick_images=20),
            metric_callback=lambda network, fakes: losses.append(fakes), tf_config=dict(device='cpu'),
            image_snapshot_ticks=None, network_snapshot_ticks=None, checkpoint_minutes=None)
        tflib.close_tf()
    with PIL.Image.open(str(tmp_path / 'run' / 'fakes_init.png')) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (64, 128, 3) and (pixels == [255, 0, 0]).all(axis=2).sum() >= 4  # corners of the data
    stats = (tmp_path / 'run' / 'stats.jsonl').read_text().splitlines()
    means = [float(line.split('"Loss/H": ')[1].split(',')[0].split('}')[0]) for line in stats if '"Loss/H"' in line]
    assert len(means) >= 2 and means[-1] < 0.8 * means[0]
    with tf.Graph().as_default():
        tflib.init_tf({'device': 'cpu'})
        check_masks(str(tmp_path / 'run' / 'network-final.pkl'))
        tflib.close_tf()


def check_masks(file):
    """Draws with masks made by the network of a file."""
    data = SimpleNamespace(name='x', shape=[3, 32, 32], label_size=2)
    widths = dict(fmap_base=64, fmap_max=4)
    method = stargan2.stargan2(
        dict(source=SimpleNamespace(dataset=data), reference=SimpleNamespace(dataset=data)),
        SimpleNamespace(last=SimpleNamespace(minibatch_gpu=2)), fan_file=file, G_args=widths, D_args=widths,
        E_args=widths, F_args=dict(fmaps=4, latent_size=3, style_size=4))
    networks = transfer.create_networks(method.nets)
    assert networks['H'].static_kwargs.fmaps == 8 and list(networks) == ['G', 'F', 'E', 'D', 'H', 'G_ema', 'F_ema',
                                                                        'E_ema']
    frozen = method.groups['G'].frozen(networks)
    assert frozen and all(name.endswith('/Shortcut/weight') and name in networks['G'].vars for name in frozen)
    images = np.random.RandomState(0).randint(0, 256, [2, 3, 32, 32]).astype(np.uint8)
    cells = Cells((2, 1), dict(source=(images, np.eye(2)), reference=(images[::-1], np.eye(2))), np.ones([2, 3]))
    rows = method.pictures(networks, cells)
    assert len(rows) == 1 + 2 + 2 and all(row.shape == images.shape for row in rows)
    masks = stargan2.masks_of(SimpleNamespace(nets=networks), tf.constant(np.float32(images / 127.5 - 1)))
    assert masks.shape.as_list() == [2, 2, landmarks.MASK_SIZE, landmarks.MASK_SIZE]
    assert pretrained.load_file(file).roles['H'].role == 'landmarks'
