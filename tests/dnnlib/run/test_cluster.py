"""Who trains together, from TF_CONFIG and from SLURM's variables."""

import json

import pytest

from dnnlib import UserError
from dnnlib.run import cluster


def config(task_type='worker', index=0, **jobs):
    return {'TF_CONFIG': json.dumps({'cluster': jobs, 'task': {'type': task_type, 'index': index}})}


def slurm(task, nodes, tasks_per_node, total, **more):
    return dict({'SLURM_PROCID': str(task), 'SLURM_STEP_NODELIST': nodes, 'SLURM_STEP_NUM_TASKS': str(total),
                 'SLURM_STEP_TASKS_PER_NODE': tasks_per_node, 'SLURM_JOB_ID': '7', 'SLURM_STEP_ID': '0'}, **more)


def test_nobody_else():
    alone = [{}, {'TF_CONFIG': ''}, config(worker=['a:1']), config('chief', chief=['a:1']), {'SLURM_JOB_ID': '3'},
             slurm(0, 'n1', '1', 1), {'TF_CONFIG': ' ', 'SLURM_PROCID': '0', 'SLURM_NTASKS': '4'}]  # a batch script
    for environ in alone:
        assert cluster.find(environ) is None


def test_workers_of_tf_config():
    found = cluster.find(config(index=1, worker=['a:2222', 'b:2222', 'b:2223']))
    assert found == (('a:2222', 'b:2222', 'b:2223'), 1, 'a:2224', '', None)
    assert cluster.on_this_host(found) == (0, 2) and cluster.on_this_host(found._replace(task=2)) == (1, 2)
    assert cluster.find(dict(config(worker=['a:1', 'b:1']), STYLEGAN2_WATCH='a:9')).watch == 'a:9'
    assert cluster.find(config(index='1', worker=['[::1]:1', '[::1]:2'])) == (
        ('[::1]:1', '[::1]:2'), 1, '[::1]:3', '', None)
    assert cluster.split_address('[::1]:2') == ('::1', 2)
    again = cluster.find(dict(slurm(0, 'n1', '2', 2), TF_CONFIG=cluster.tf_config(found.addresses, 2)))
    assert again == found._replace(task=2, run='7.0')  # before SLURM


def test_the_chief_is_worker_0():
    for name in ('chief', 'master'):
        jobs = {'worker': ['b:1', 'c:1'], name: ['a:1'], 'evaluator': ['e:1']}
        assert cluster.find(config(name, 0, **jobs)) == (('a:1', 'b:1', 'c:1'), 0, 'a:2', '', None)
        assert cluster.find(config('worker', 1, **jobs)).task == 2


@pytest.mark.parametrize('environ, message', [
    ({'TF_CONFIG': '{'}, 'TF_CONFIG: not JSON'),
    ({'TF_CONFIG': '[1]'}, 'TF_CONFIG: expected {"cluster"'),
    ({'TF_CONFIG': '{"cluster": {"worker": "a:1"}}'}, 'TF_CONFIG: expected {"cluster"'),
    (config('evaluator', 0, worker=['a:1', 'b:1'], evaluator=['c:1']), 'this process is an evaluator'),
    (config('ps', 0, worker=['a:1'], ps=['b:1']), "there is no use for 'ps'"),
    (config(index=2, worker=['a:1', 'b:1']), "task 'worker' 2 is not in the cluster; expected one of worker 0 to 1"),
    (config(index=-1, worker=['a:1', 'b:1']), 'is not in the cluster'),
    (config('chief', worker=['a:1', 'b:1']), "task 'chief' 0 is not in the cluster"),
    (config(worker=['a:1', 'b']), "such as node7:2222, got 'b'"),
    (config(worker=['a:1', 'b:70000']), "got 'b:70000'"),
    (config(worker=['a:1', 'http://b:1']), "got 'http://b:1'"),
    (config(worker=['a:1', 3]), 'got 3'),
    (config(worker=['a:1', 'b:1', 'a:1']), "two workers have the address 'a:1'"),
    (dict(config(worker=['a:1', 'b:1']), STYLEGAN2_WATCH='9'), 'STYLEGAN2_WATCH: expected addresses'),
    (slurm('x', 'n[1-2]', '1(x2)', 2), "SLURM_PROCID: expected a number, got 'x'; start the workers with srun"),
    (slurm(2, 'n[1-2]', '1(x2)', 2), 'SLURM_PROCID=2'),
    (slurm(0, 'n[1-2]', '1', 2), '2 nodes with [1] tasks'),
    (slurm(0, 'n[1-2]', 'two', 2), "SLURM_STEP_TASKS_PER_NODE: expected counts such as 4(x2),1, got 'two'"),
    (slurm(0, 'n[1-', '1(x2)', 2), "expected nodes such as node[01-03,7],login, got 'n[1-'"),
    (slurm(0, 'n[2-1]', '1(x2)', 2), "'2-1' is no range of nodes"),
    (slurm(0, 'n[1-99999999]', '1(x2)', 2), 'is no range of nodes'),
    (slurm(1, 'n[1-2]', '2(x2)', 4, SLURM_NODEID='1'), 'task 1 runs on node 1 instead of 0; use srun --distribution'),
])
def test_variables_that_make_no_sense(environ, message):
    with pytest.raises(UserError) as error:
        cluster.find(environ)
    assert message in str(error.value) and '\n' not in str(error.value)


def test_tasks_of_slurm_fill_one_node_after_another():
    found = cluster.find(slurm(3, 'gpu[08-10]', '2(x2),1', 5, SLURM_NODEID='1'))
    assert found.addresses == ('gpu08:20224', 'gpu08:20225', 'gpu09:20224', 'gpu09:20225', 'gpu10:20224')
    assert found[1:] == (3, 'gpu08:20226', '7.0', None) and cluster.on_this_host(found) == (1, 2)
    other = cluster.find(slurm(3, 'gpu[08-10]', '2(x2),1', 5, SLURM_JOB_ID='8'))
    assert not set(other.addresses) & set(found.addresses)


@pytest.mark.parametrize('text, names', [  # the first six as TensorFlow 2.21's SlurmClusterResolver expands them
    ('n1', 'n1'), ('node[01-03,7]', 'node01 node02 node03 node7'), ('n1,n2,n3', 'n1 n2 n3'),
    ('node[01-03,7],login', 'node01 node02 node03 node7 login'), ('a[9-11],b[001-002]', 'a9 a10 a11 b001 b002'),
    ('n[1-2],n[5-6]', 'n1 n2 n5 n6'),
    ('a-b[1-2].c', 'a-b1.c a-b2.c'), ('r[1-2]n[1-2]', 'r1n1 r1n2 r2n1 r2n2'),
])
def test_short_lists_of_nodes(text, names):
    assert cluster.expand_nodes(text) == names.split()
