"""The workers of a training on several devices or hosts: their addresses, from TF_CONFIG or from SLURM's variables."""

import itertools
import json
import re
from typing import NamedTuple

from dnnlib.run import shared_memory
from dnnlib.util import UserError

TF_CONFIG = 'TF_CONFIG'             # set by Kubernetes operators, by people, and by our launcher
WATCH = 'STYLEGAN2_WATCH'           # 'host:port' of the watchdog, see `Cluster.watch`
CHIEFS = ('chief', 'master')        # names that operators give to the worker that writes
SLURM_PORTS = 20000, 12000, 32      # first port, size of the range below the system's own, ports of a job step
RUN_IDS = 'SLURM_JOB_ID', 'SLURM_STEP_ID'
MAX_WORKERS = 1 << 16               # a longer list is a typing error


class Cluster(NamedTuple):
    """Who trains together; the same in all workers but for `task`."""
    addresses: tuple    # 'host:port' of each worker and its TensorFlow server if it has one, at least 2, worker 0 first
    task: int           # which of them this process is; 0 writes the files
    watch: str          # 'host:port' at which worker 0's watchdog listens
    run: str = ''       # job and step of SLURM, so that workers of another job are not taken for ours; '' = unknown
    memory: int = None  # open file of the memory that all of them share, `None` = there is none, see `shared_memory`


def find(environ):
    """The workers that this process belongs to.

    Args:
        environ: Environment variables, such as `os.environ`. TF_CONFIG is used before SLURM's variables, of which only
            those of a job step count: a shell or batch script inside an allocation is no worker.
    Returns: Cluster; `None` if this process trains alone.
    Raises: UserError for variables that make no sense, or for a role that this program does not have.
    """
    if environ.get(TF_CONFIG, '').strip():
        addresses, task = _from_tf_config(environ[TF_CONFIG])
    elif environ.get('SLURM_STEP_NODELIST') and environ.get('SLURM_STEP_NUM_TASKS') != '1':
        addresses, task = _from_slurm(environ)
    else:
        return None
    if len(addresses) < 2:
        return None
    ports = [split_address(address)[1] for address in addresses]
    if len(set(addresses)) < len(addresses):
        twice = next(address for address in addresses if addresses.count(address) > 1)
        raise UserError(f'{TF_CONFIG}: two workers have the address {twice!r}; each needs a port of its own')
    watch = environ.get(WATCH)
    if watch:
        split_address(watch, WATCH)
    else:  # the same in every worker
        free = next(port for port in itertools.count(ports[0] + 1) if port not in ports)
        watch = addresses[0].rpartition(':')[0] + f':{free}'
        split_address(watch)
    return Cluster(tuple(addresses), task, watch, '.'.join(filter(None, map(environ.get, RUN_IDS))),
                   shared_memory.find(environ, len(addresses)))


def split_address(address, name=TF_CONFIG):
    """Host and port of an address.

    Args:
        address: Such as `node7:2222` or `[::1]:2222`.
        name: Where it was found, for the message.
    Returns: (host without brackets, port).
    Raises: UserError if it is malformed.
    """
    match = re.match(r'(\[[0-9a-fA-F:.%\w]+\]|[^:\s/\[\]]+):([0-9]{1,5})$', str(address))
    if not match or not 0 < int(match.group(2)) < 1 << 16:
        raise UserError(f'{name}: expected addresses such as node7:2222, got {address!r}')
    return match.group(1).strip('[]'), int(match.group(2))


def tf_config(addresses, task):
    """Value of TF_CONFIG for one of the workers with these addresses."""
    return json.dumps({'cluster': {'worker': list(addresses)}, 'task': {'type': 'worker', 'index': task}})


def on_this_host(cluster):
    """(which of the workers on its host this one is, how many there are on it), by the names in the addresses."""
    hosts = [split_address(address)[0] for address in cluster.addresses]
    return hosts[:cluster.task].count(hosts[cluster.task]), hosts.count(hosts[cluster.task])


def _from_tf_config(text):
    """(addresses, task) from the value of TF_CONFIG."""
    try:
        config = json.loads(text)
    except ValueError as error:
        raise UserError(f'{TF_CONFIG}: not JSON ({error}): {text[:60]!r}') from None
    cluster, task = (config.get(key) for key in ('cluster', 'task')) if isinstance(config, dict) else (None, None)
    if not isinstance(cluster, dict) or not all(isinstance(jobs, list) for jobs in cluster.values()):
        raise UserError(TF_CONFIG + ': expected {"cluster": {"worker": ["host:port", ...]}, "task": {...}}')
    others = sorted(set(cluster) - set(CHIEFS) - {'worker', 'evaluator'})
    if others:
        raise UserError(f'{TF_CONFIG}: there is no use for {others[0]!r} in the cluster; all processes are workers')
    kind = task.get('type', 'worker') if isinstance(task, dict) else None
    index = task.get('index') if isinstance(task, dict) else None
    if kind == 'evaluator':
        raise UserError(f'{TF_CONFIG}: this process is an evaluator, but the workers measure; leave evaluators out')
    order = [(name, i) for name in CHIEFS + ('worker',) for i in range(len(cluster.get(name, ())))]
    index = int(index) if isinstance(index, str) and index.isdigit() else index  # some operators write a string
    if (kind, index) not in order:
        raise UserError(f'{TF_CONFIG}: task {kind!r} {index!r} is not in the cluster; expected one of '
                        + ', '.join(f'{name} 0 to {len(cluster[name]) - 1}' for name in cluster if cluster[name]))
    addresses = [cluster[name][i] for name, i in order]
    for address in addresses:
        split_address(address)
    return addresses, order.index((kind, index))


def _from_slurm(environ):
    """(addresses, task) from the variables that `srun` sets; tasks fill one node after another."""
    hosts = expand_nodes(environ['SLURM_STEP_NODELIST'])
    counts = _tasks_per_node(environ.get('SLURM_STEP_TASKS_PER_NODE', ''))
    task, total, job, step, node = (_number(environ, 'SLURM_' + name, default) for name, default in (
        ('PROCID', None), ('STEP_NUM_TASKS', None), ('JOB_ID', 0), ('STEP_ID', 0), ('NODEID', -1)))
    if len(counts) != len(hosts) or sum(counts) != total or task >= total:
        raise UserError(f'SLURM: {len(hosts)} nodes with {counts} tasks do not match SLURM_STEP_NUM_TASKS={total} and '
                        f'SLURM_PROCID={task}')
    nodes = [i for i, count in enumerate(counts) for _ in range(count)]
    if node not in (-1, nodes[task]):
        raise UserError(f'SLURM: task {task} runs on node {node} instead of {nodes[task]}; use srun '
                        '--distribution=block')
    first, size, each = SLURM_PORTS
    port = first + (job * each + step) % size  # two jobs on a node have other ports
    return [f'{hosts[i]}:{port + nodes[:n].count(i)}' for n, i in enumerate(nodes)], task


def expand_nodes(text):
    """Names in SLURM's short form of a list of nodes.

    Args:
        text: Such as `node[01-03,7],login`; several brackets in a name count like digits.
    Returns: List of str, in order: node01, node02, node03, node7, login.
    Raises: UserError if the text is malformed or names too many.
    """
    names = []
    if not re.match(r'([^\[\],\s]|\[[0-9,-]+\])+(,([^\[\],\s]|\[[0-9,-]+\])+)*$', text):
        raise UserError(f'SLURM: expected nodes such as node[01-03,7],login, got {text!r}')
    for name in re.findall(r'(?:[^\[\],]|\[[^\]]*\])+', text):
        parts = re.findall(r'\[[^\]]*\]|[^\[\]]+', name)
        parts = [_numbers(part, text) if part[0] == '[' else [part] for part in parts]
        names += [''.join(choice) for choice in itertools.islice(itertools.product(*parts), MAX_WORKERS)]
    return names


def _numbers(part, text):
    """Numbers in a bracket such as `[01-03,7]`, as text with their zeros."""
    numbers = []
    for item in part[1:-1].split(','):
        match = re.match('([0-9]+)(?:-([0-9]+))?$', item)
        first, last = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (0, -1)
        if not 0 <= last - first < MAX_WORKERS:
            raise UserError(f'SLURM: {item!r} is no range of nodes, in {text!r}')
        numbers += [str(number).zfill(len(match.group(1))) for number in range(first, last + 1)]
    return numbers


def _tasks_per_node(text):
    """[2, 2, 1] for `2(x2),1`."""
    counts = []
    for item in text.split(','):
        match = re.match(r'([0-9]+)(?:\(x([0-9]{1,5})\))?$', item)
        if not match:
            raise UserError(f'SLURM_STEP_TASKS_PER_NODE: expected counts such as 4(x2),1, got {text!r}')
        counts += [int(match.group(1))] * int(match.group(2) or 1)
    return counts


def _number(environ, name, default):
    """Value of a variable as a whole number; raises UserError if it is missing or none."""
    text = environ.get(name, '' if default is None else str(default))
    if not re.match('-?[0-9]+$', text):
        raise UserError(f'{name}: expected a number, got {text!r}; start the workers with srun')
    return int(text)
