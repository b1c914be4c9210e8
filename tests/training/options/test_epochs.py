"""`--epochs`: the length of a training by how often it sees its data."""

import json

import numpy as np
import PIL.Image
import pytest

import run_training
from dnnlib import UserError, cli
from training import training_loop
from training.options import continuing, epochs

CATS = dict(tfrecord_dir='cats', resolution=8)


def kimg(number, **options):
    return epochs.total_kimg(number, dict(dict(data_dir=None, dataset_args=dict(CATS, max_images=500)), **options))


def test_the_length_of_the_data(capsys):
    assert kimg(3) == 1.5
    assert capsys.readouterr().out == ('--epochs=3: 3 times the 500 images of reals = 1.5 kimg, rounded up to a '
                                       'multiple of 4 minibatches\n')
    assert kimg(0.5, minibatch_repeats=1) == 0.25
    assert capsys.readouterr().out.endswith('= 0.25 kimg, rounded up to whole minibatches\n')
    assert epochs.REPEATS == training_loop.Options().minibatch_repeats
    assert kimg(2, holdout=0.1) == 0.9  # what is held out is not trained on


def test_the_longest_stream_counts(capsys):
    streams = dict(a=dict(CATS, max_images=50), b=dict(CATS, max_images=70), c=dict(CATS, max_images=60))
    assert kimg(100, stream_args=streams) == 7
    assert 'the 70 images of b' in capsys.readouterr().out


@pytest.mark.parametrize('number', [0, -1])
def test_no_length_is_refused(number):
    args = run_training.parse_args(['--dataset=cats', f'--epochs={number}'])
    with pytest.raises(UserError, match=f'--epochs={number}: expected a number above 0'):
        run_training.check_arguments(args)


def test_the_same_command_resumes_by_the_images_shown(tmp_path, monkeypatch, capsys):
    """Options are saved in kimg, so a run that --epochs began is the one that --total-kimg continues."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pictures').mkdir()
    for i in range(5):
        PIL.Image.fromarray(np.uint8(np.full([8, 8, 3], i))).save(str(tmp_path / 'pictures' / f'{i}.png'))
    begun = []

    def submit(config, _function, resume_run_dir, **options):
        begun.append((resume_run_dir, options))
        config.stopped_by, config.run_dir = 0, str(tmp_path)
        return config
    monkeypatch.setattr(run_training.dnnlib, 'submit_run', submit)
    argv = ['--dataset=pictures', '--device=cpu', '--no-selftest']
    assert run_training.main(argv + ['--epochs=400']) == 0
    assert 'the 5 images of reals = 2 kimg' in capsys.readouterr().out
    assert begun[0][0] is None and begun[0][1]['total_kimg'] == 2.0
    run_dir = tmp_path / 'results' / '00000-stylegan2-pictures-1gpu-config-f'
    run_dir.mkdir(parents=True)
    (run_dir / continuing.OPTIONS_FILE).write_text(json.dumps(begun[0][1]))
    for more in ('--epochs=400', '--total-kimg=2', '--epochs=800'):
        run_training.main(argv + [more])
        assert begun[-1][0] == 'results/' + run_dir.name


def test_two_lengths_are_refused(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.run_main(run_training.main, ['--dataset=cats', '--epochs=2', '--total-kimg=5'])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and error.count('\n') == 1
    assert 'argument --total-kimg/--kimg: not allowed with argument --epochs' in error
