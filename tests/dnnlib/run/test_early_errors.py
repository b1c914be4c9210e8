"""Errors before a worker has joined the others: these end with them instead of waiting."""

import os
import subprocess
import sys
import threading

import pytest

from dnnlib import UserError
from dnnlib.run import cluster, early_errors, launcher, watchdog
from training.options import workers

WAITING = '''
import os
from dnnlib import cli
from dnnlib.run import cluster, watchdog
def main(argv):
    with watchdog.watching(cluster.find(os.environ), 60):
        pass
cli.run_main(main, prog='prog')
'''


@pytest.fixture
def addresses():
    return ['127.0.0.1:%d' % port for port in launcher.free_ports(3)]


@pytest.mark.parametrize('early, error, code, told', [
    (0, UserError('no data'), watchdog.USER_ERROR, ' ended with an error: no data'),
    (1, OSError(5, 'Input/output error'), watchdog.LOST, ' is lost: ended with an error (OSError: [Errno 5] Input/o')])
def test_the_other_worker_ends_at_once(early, error, code, told, addresses, monkeypatch, capsys):
    def main(argv):
        raise error

    other = subprocess.Popen(
        [sys.executable, '-c', WAITING], stdout=subprocess.PIPE, universal_newlines=True,
        env=dict(os.environ, PYTHONPATH=os.getcwd(), TF_CONFIG=cluster.tf_config(addresses[:2], 1 - early),
                 STYLEGAN2_WATCH=addresses[2]))
    job = cluster.find(dict(TF_CONFIG=cluster.tf_config(addresses[:2], early), STYLEGAN2_WATCH=addresses[2]))
    monkeypatch.setattr(workers.clusters, 'find', lambda environ: job)
    with pytest.raises((UserError, SystemExit)) as caught:
        workers.telling(main)([])
    assert getattr(caught.value, 'code', watchdog.USER_ERROR) == code
    out = other.communicate(timeout=30)[0]
    assert other.returncode == code and 'Worker %d (%s)%s' % (early, addresses[early], told) in out
    assert capsys.readouterr().out.endswith('\nTelling the other workers...\n')
    monkeypatch.setattr(early_errors, 'tell', lambda *args: pytest.fail('told twice'))
    with pytest.raises((UserError, SystemExit)):  # the same one
        workers.telling(main)([])


def test_an_error_of_all_workers_costs_no_time(addresses):
    job = cluster.Cluster(tuple(addresses[:2]), 0, addresses[2])
    threads = [threading.Thread(target=early_errors.tell, args=(job._replace(task=task), UserError('x'), 30))
               for task in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
        assert not thread.is_alive()
