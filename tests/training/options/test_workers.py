"""Options of several devices: what is refused, what each process gets, how minibatches are divided, what is shared."""

import json
import os
import sys

import pytest

import run_training
from dnnlib import UserError
from dnnlib.run import devices, launcher
from dnnlib.run.cluster import Cluster, tf_config
from training.options import continuing, tuning, workers
from training.state import files

TWO = ('127.0.0.1:20001', '127.0.0.1:20002')


def parse(*argv):
    return run_training.parse_args(['--dataset=cats'] + list(argv))


def entered(argv, **environ):
    """(args, result, variables) of `enter`."""
    args = parse(*argv)
    return args, workers.enter(args, environ), environ


@pytest.mark.parametrize('argv, environ, message', [
    (['--num-gpus=0'], {}, '--num-gpus=0: expected a number from 1 on'),
    (['--num-workers=-1'], {}, '--num-workers=-1: expected a number from 1 on'),
    (['--max-restarts=-1'], {}, '--max-restarts=-1: expected a number of at least 0'),
    (['--num-gpus=2', '--num-workers=2'], {}, 'choose GPUs or processes on the CPU'),
    (['--num-gpus=2', '--device=gpu:1'], {}, '--num-gpus=2 --device=gpu:1: each process gets one of the GPUs'),
    (['--num-workers=2', '--device=gpu:1'], {}, 'these processes train on the CPU; use --num-gpus for GPUs'),
    (['--num-gpus=4'], {'CUDA_VISIBLE_DEVICES': '1,2'}, '--num-gpus=4: CUDA_VISIBLE_DEVICES=1,2 has 2; use --num-w'),
    (['--num-workers=3'], {'TF_CONFIG': tf_config(TWO, 0)}, '--num-workers=3: TF_CONFIG or SLURM names 2 workers'),
    (['--max-restarts=9'], {}, '--max-restarts=9: nobody restarts this process; it is for several processes'),
    (['--max-restarts=9'], {'TF_CONFIG': tf_config(TWO, 0)}, '--max-restarts=9: whoever started this job restarts'),
    (['--start-timeout=9'], {}, '--start-timeout=9: this process trains alone and waits for nobody; give --num-gpus'),
    ([], {'TF_CONFIG': '{'}, 'TF_CONFIG: not JSON')])
def test_contradictions_are_refused(argv, environ, message):
    with pytest.raises(UserError, match=message):
        workers.enter(parse(*argv), environ)


def test_who_this_process_is(monkeypatch):
    args, job, _ = entered([])
    assert job is None and (args.num_workers, args.num_gpus, args.device) == (1, 1, 'auto')
    args, job, _ = entered(['--num-workers=2'])
    assert job is None and (args.num_workers, args.num_gpus) == (2, 1)
    args, job, _ = entered(['--num-workers=2'], TF_CONFIG=tf_config(TWO, 1))
    assert job.task == 1 and (args.num_workers, args.num_gpus, args.device) == (2, 1, 'cpu')
    args, job, environ = entered([], TF_CONFIG=tf_config(TWO, 1), CUDA_VISIBLE_DEVICES='4,6')
    assert (args.num_workers, args.num_gpus, args.device) == (2, 2, 'gpu:0') and environ['CUDA_VISIBLE_DEVICES'] == '6'
    args, _, environ = entered([], TF_CONFIG=tf_config(('a:1', 'b:1'), 1), CUDA_VISIBLE_DEVICES='4')
    assert args.num_gpus == 2 and environ['CUDA_VISIBLE_DEVICES'] == '4'
    args, job, _ = entered(['--max-restarts=9', '--start-timeout=9'], TF_CONFIG=tf_config(TWO, 1),
                           STYLEGAN2_WATCH='127.0.0.1:20003')  # by our launcher
    assert job.task == 1
    args, _, _ = entered([], TF_CONFIG=tf_config(TWO, 1), CUDA_VISIBLE_DEVICES='')
    assert (args.num_workers, args.num_gpus, args.device) == (2, 1, 'auto')


@pytest.mark.parametrize('argv, sched', [
    (['--num-workers=8'], dict(minibatch_size_base=32, minibatch_gpu_base=4)),
    (['--num-workers=16'], dict(minibatch_size_base=32, minibatch_gpu_base=2)),
    (['--num-workers=3', '--batch=30'], dict(minibatch_size_base=30, minibatch_gpu_base=2)),
    (['--num-workers=3', '--batch=33'], dict(minibatch_size_base=33, minibatch_gpu_base=11)),
    (['--num-workers=2', '--minibatch-gpu=8'], dict(minibatch_size_base=32, minibatch_gpu_base=8)),
    (['--num-workers=2', '--config=config-c'],
     dict(minibatch_gpu_base=4, minibatch_gpu_dict={8: 32, 16: 16, 32: 8, 64: 4})),
    (['--num-workers=16', '--config=config-c'],
     dict(minibatch_gpu_base=2, minibatch_gpu_dict={8: 16, 16: 8, 32: 4, 64: 2}))])
def test_minibatches_are_divided(argv, sched):
    found = run_training.make_options(parse(*argv))['sched_args']
    assert {name: found[name] for name in sched} == sched


@pytest.mark.parametrize('argv, message', [
    (['--num-workers=3'], 'minibatch 32 does not divide by 3: use 30 or 33 '),
    (['--num-workers=5', '--config=config-c'], 'minibatch 256 does not divide by 5: use 255 or 260 '),
    (['--num-workers=64'], 'minibatch 32 does not divide by 64: use 64 '),
    (['--num-workers=2', '--minibatch-gpu=3'], 'cannot be split into rounds of 3 on 2 workers')])
def test_minibatches_that_do_not_divide(argv, message):
    with pytest.raises(UserError, match=message):
        run_training.make_options(parse(*argv))


def test_one_worker_has_what_it_always_had():
    assert tuning.images_per_round(11, 4, 1) == 4 and tuning.images_per_round(12, 8, 1) == 6


def test_what_is_launched(monkeypatch, tmp_path, capsys):
    plans = []
    monkeypatch.setattr(launcher, 'launch', lambda plan: plans.append(plan) or 7)
    monkeypatch.setattr(sys, 'argv', ['run_training.py'])
    monkeypatch.setattr(devices, 'cpu_shares', lambda count: [{i} for i in range(count)])
    argv = ['--dataset=cats', '--num-workers=2', '--batch=8', '--resume=none', '--max-restarts=5',
            '--result-dir=' + str(tmp_path)]
    assert run_training.main(argv) == 7 and capsys.readouterr().out == '' and os.listdir(str(tmp_path)) == []
    plan, = plans
    assert plan.command == [sys.executable, 'run_training.py'] + argv and plan.cpus == [{0}, {1}]
    assert (plan.workers, plan.max_restarts) == (2, 5)
    assert [environment['CUDA_VISIBLE_DEVICES'] for environment in plan.environments] == ['-1', '-1']
    assert plan.resume(None) == plan.resume('run') == (plan.command, None)
    (tmp_path / 'training_options.json').write_text('{}')  # as if it were a run directory without a state
    assert plan.resume(str(tmp_path)) == (
        plan.command[:2] + argv[:3] + argv[4:] + ['--resume=' + str(tmp_path)], None)
    continuing.check_start(str(tmp_path))
    monkeypatch.setattr(files, 'latest_counters', lambda run_dir: files.new_counters(800))
    command, progress = plan.resume('run')
    assert command == [sys.executable, 'run_training.py'] + argv[:3] + argv[4:] + ['--resume=run'] and progress == 800
    monkeypatch.setattr(sys, 'argv', ['python -m stylegan2 train'])
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '3,1')
    assert run_training.main(['--dataset=cats', '--num-gpus=2', '--result-dir=' + str(tmp_path)]) == 7
    assert plans[1].command[:4] == [sys.executable, '-m', 'stylegan2', 'train'] and plans[1].cpus == ()
    assert [environment['CUDA_VISIBLE_DEVICES'] for environment in plans[1].environments] == ['3', '1']


def test_windows(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'win32')
    with pytest.raises(UserError, match='--num-workers=2: Windows cannot start'):
        workers.launch(parse('--num-workers=2'), [], check=None)


def test_what_no_worker_could_train_with_starts_none(monkeypatch, tmp_path):
    monkeypatch.setattr(launcher, 'launch', lambda plan: pytest.fail('started'))
    with pytest.raises(UserError, match='minibatch 32 does not divide by 3'):
        run_training.main(['--dataset=cats', '--num-workers=3', '--result-dir=' + str(tmp_path)])


def test_workers_train_with_the_options_of_the_first_and_their_own_data():
    class Watch:
        def share(self, value=None):
            if value is not None:
                self.value = value
            return self.value

    watch = Watch()
    cluster = Cluster(TWO, 0, '127.0.0.1:20003')
    first = dict(data_dir='a', seed=1, dataset_args=dict(tfrecord_dir='x', resolution=8), sched_args={'dict': {8: 1}},
                 tf_config=dict(device='cpu', mixed='float16'), keep_best=None)
    other = dict(data_dir='b', seed=2, dataset_args=dict(tfrecord_dir='y'), tf_config=dict(device='gpu:0'))
    assert workers.Job().settle(other) is other and workers.Job().is_first
    assert workers.Job(cluster, watch).settle(first) is first
    job = workers.Job(cluster._replace(task=1), watch)
    assert not job.is_first and job.settle(other) == dict(
        first, data_dir='b', dataset_args=dict(tfrecord_dir='y', resolution=8),
        tf_config=dict(device='gpu:0', mixed='float16'))
    json.dumps(watch.value)


@pytest.mark.parametrize('resume', ['results/00000-run', 'networks.pkl'])
def test_only_the_first_needs_what_it_resumes(resume, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    args = parse('--resume=' + resume, '--config=auto', '--freeze-d=1')
    run_training.check_arguments(args, is_first=False)
    with pytest.raises(UserError, match='expected auto, none, a run directory'):
        run_training.check_arguments(args)
