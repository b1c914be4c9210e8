"""What a training prints at its end."""

import os

from tests.training.options.test_continuing import make_run
from training.options import next_steps


def test_what_to_type_after_a_training(tmp_path, monkeypatch, capsys):
    run_dir = make_run(tmp_path, '00000-a run', {}, nimg=None)
    next_steps.tell_next([], run_dir, dict(G_args={}), stopped=False)
    assert capsys.readouterr().out == ''
    path = os.path.join(run_dir, 'network-final.pkl')
    open(path, 'wb').close()
    for program, expected in [('there/run_training.py', 'python there/run_generator.py'),
                              ('python -m stylegan2 train', 'python -m stylegan2 generate')]:
        monkeypatch.setattr('sys.argv', [program])
        next_steps.tell_next([], run_dir, dict(G_args={}), stopped=False)
        assert capsys.readouterr().out == (f"Networks: {path}; to draw with them: {expected} generate-images "
                                           f"'--network={run_dir}' --seeds=0-15\n")
    next_steps.tell_next([], run_dir, dict(stream_args={}), stopped=False)
    assert capsys.readouterr().out.endswith(f"{path}; to translate with them: python -m stylegan2 translate translate "
                                            f"PICTURES '--network={run_dir}'\n")
    draws = [(name, 'python -m stylegan2 generate generate-images') for name in (
        'classes.classes', 'latent.latent', 'lapgan.lapgan', 'osgan.osgan', 'msg.msg')]
    for method, command in draws + [('stargan2.stargan2', 'python -m stylegan2 translate domains PICTURES'),
                                    ('fan.fan', '')]:
        options = dict(stream_args={}, method_args=dict(func_name='training.methods.' + method))
        next_steps.tell_next([], run_dir, options, stopped=False)
        found = capsys.readouterr().out
        assert command in found and bool(found) == bool(command)
    next_steps.tell_next(['--lr=1'], run_dir, {}, stopped=True)
    assert capsys.readouterr().out == f"To continue: python -m stylegan2 train --lr=1 '--resume={run_dir}'\n"
