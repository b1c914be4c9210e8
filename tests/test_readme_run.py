"""The README's commands run, in their order, in an empty folder: with little data, few steps and few feature maps."""

import importlib
import os
import re

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

from dnnlib import cli, tflib
from metrics import weights
from metrics.features import efficientnet_lite0
from projector import schedule
from tests import test_readme
from tests.metrics.features import feature_reference, lpips_reference, weight_writers
from tests.test_run_training import SMALL
from tests.training import golden_translation
from training import pretrained

FEWER = {  # the last value of an option counts
    'run_training.py': SMALL[1:] + ['--epochs=1e-9', '--aug=noaug', '--set', 'train.minibatch_repeats=1'],  # one step
    'run_metrics.py': ['--num-images=6', '--device=cpu'],
    'create_cats': ['--max_images=12'],
    'create_from_images': ['--resolution=8'],
    'project-images': ['--steps=2', '--distance=pixel', '--device=cpu'],
    'project-generated-images': ['--steps=2', '--num-snapshots=1', '--distance=pixel', '--device=cpu'],
    'project-real-images': ['--steps=2', '--num-snapshots=1', '--num-images=1', '--distance=pixel', '--device=cpu'],
    'calibrate': ['--steps=2', '--generated=4', '--error-rates=0.25', '--robustness=0', '--distance=pixel',
                  '--device=cpu'],
    'detect': ['--error-rate=0.25', '--device=cpu'],
    'translate': ['--device=cpu'],
}
WRITTEN = ['*-generate-images/seed0015.png', '*-generate-images/seed0389.png', '*-style-mixing-example/grid.png',
           '*-stylegan2-ada-photos-*/network-final.pkl', '*-stylegan2-ada-cats-*/network-final.pkl',
           '*-stylegan2-photos-*/network-final.pkl',
           '*-stylegan2-cats64-*/network-final.pkl', '*-project-images/results.csv', '*-project-generated-images/*.png',
           '*-project-real-images/*.png', '*-calibrate/calibration.json', '*-detect/detections.csv',
           '*-run-metrics/metric-*.jsonl', '*-translate/grid.png', 'cats64.png']


def prepare(folder, monkeypatch):
    """Pictures, and the weights that would be fetched: small ones."""
    rnd = np.random.RandomState(0)
    PIL.Image.new('RGB', (24, 24), 'gray').save(str(folder / 'cat.png'))
    for name, count in [('datasets/photos', 12), ('suspects', 2)]:
        (folder / name).mkdir(parents=True)
        for i in range(count):
            PIL.Image.fromarray(rnd.randint(256, size=[24, 24, 3], dtype=np.uint8)).save(
                str(folder / name / ('%d.png' % i)))
    (folder / 'latest_net_G_A.pth').symlink_to(os.path.join(golden_translation.DATA, 'resnet6_instance.pth'))
    (folder / 'networks').mkdir()
    (folder / 'networks' / 'cats64.pkl').symlink_to(pretrained.DEMO_NETWORK)
    (folder / 'eff.pth').write_bytes(weight_writers.torch_file(feature_reference.effnet_state(), False))
    monkeypatch.setenv(efficientnet_lite0.VARIABLE, str(folder / 'eff.pth'))
    monkeypatch.setattr(efficientnet_lite0, 'CANDIDATES', [
        candidate._replace(sha256='') for candidate in efficientnet_lite0.CANDIDATES])
    monkeypatch.setattr(weights, 'lpips_vgg16', lpips_reference.narrow_weights)
    monkeypatch.setitem(schedule.PRESETS['fast'], 'shared_candidates', 64)


def as_here(words, folder):
    """A command with the published network replaced by ours, and with the numbers that run directories have here."""
    found = []
    for word in words:
        word = re.sub(r'gdrive:[^ ]*\.pkl', 'networks/cats64.pkl', word)
        run = re.search(r'results/\d+-([^/]*)', word)
        if run:
            word = word.replace(run.group(), str(sorted(folder.glob('results/*-' + run.group(1)))[-1]))
        if not word.startswith('--total-kimg='):  # see FEWER
            found.append(word)
    return found + (FEWER.get(words[0]) or FEWER.get(words[1], []))


def test_the_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(str(tmp_path))
    prepare(tmp_path, monkeypatch)
    for words in test_readme.commands():
        if any(word.startswith('--num-gpus') for word in words):
            continue  # needs several GPUs
        if words[0] == 'run_explorer.py':
            continue  # does not end by itself
        program, args = words[0], as_here(words, tmp_path)[1:]
        with tf.Graph().as_default():
            with pytest.raises(SystemExit) as info:
                cli.run_main(importlib.import_module(program[:-len('.py')]).main, args)
            if tf.get_default_session() is not None:
                tflib.close_tf()
        captured = capsys.readouterr()
        assert not info.value.code, (words, args, captured.out[-2000:], captured.err[-2000:])
    for name in WRITTEN:
        assert list((tmp_path / 'results').glob(name)), name
