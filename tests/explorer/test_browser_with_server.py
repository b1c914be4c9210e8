"""The page in headless Chromium, before the program's own server: pixels, and a training from its start to its end."""

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from tests.explorer import browser as chromium
from tests.explorer import client
from tests.explorer.test_browser import GONE, shown_pixels

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))]


def decode(content):
    """The pixels [H, W, 3] of a file."""
    return np.asarray(PIL.Image.open(io.BytesIO(content)).convert('RGB'))


def test_a_network_with_classes(browser, asked):
    """What the page shows is what the server draws for the view in the address; the run of the fixture is listed."""
    with chromium.opened(browser, 'http://127.0.0.1:%d/#token=%s' % (asked.port, client.TOKEN)) as page:
        chromium.settled(page)
        page.select_option('#class', '1')
        page.click('label[for=layer-1]')
        page.click('#find')
        page.fill('#move-sefa-0-number', '1.5')
        page.keyboard.press('Enter')
        page.click('#frame')
        page.keyboard.press('ArrowRight')
        chromium.settled(page)
        view = page.get_attribute('#picture', 'data-view')
        assert chromium.view(page)['move'] == 'sefa.0:1.5' and chromium.view(page)['class'] == '1'
        status, headers, content = asked.ask('GET', '/api/image?' + view)
        assert status == 200 and (shown_pixels(page) == decode(content)).all()
        page.click('#grid')
        chromium.settled(page)
        page.click('#tab-train')
        page.wait_for_selector('#run-name >> text=00000-stylegan2-cats-1gpu-config-f')
        page.wait_for_selector('.chart >> text=Timing/sec_per_kimg')
        page.wait_for_selector('#strip figure:nth-child(3)')
        page.click('#run-explore')
        page.wait_for_function('() => location.hash.includes("network-snapshot")')
        chromium.settled(page)
        assert chromium.view(page)['x'] == '1'  # the same seed
        assert chromium.view(page)['network'] == '00000-stylegan2-cats-1gpu-config-f/network-snapshot-000004.pkl'


@contextlib.contextmanager
def program(folder, port):
    """(process, address) of run_explorer.py without a network; killed at the end, as by accident."""
    process = subprocess.Popen(
        [sys.executable, os.path.join(ROOT, 'run_explorer.py'), '--network=none', '--device=cpu', '--ops=ref',
         '--result-dir=' + str(folder), '--port=%d' % port], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        universal_newlines=True)
    try:
        lines = []
        while not any('#token=' in line for line in lines):
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        yield process, lines[-1].strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def free_port():
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_a_training_is_started_watched_and_stopped(browser, tmp_path):
    """It goes on while the server is killed and started again."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        process, address = stack.enter_context(program(tmp_path, port))
        page = stack.enter_context(chromium.opened(browser, address + '&tab=train', wait='#new-training',
                                                   errors=GONE + ('401',)))
        page.set_default_timeout(300000)
        page.wait_for_selector('#no-runs >> text=No run yet')
        page.click('#new-training')
        page.wait_for_selector('#option-resolution')
        assert page.input_value('#start-config') == 'small'
        page.select_option('#start-config', 'config-a')  # the fastest one
        page.select_option('#option-width', '1/8')
        page.fill('#start-name', 'tiny')
        page.select_option('#option-resolution', '8')
        page.click('#start-go')
        page.wait_for_selector('#start', state='hidden')
        assert page.text_content('#start-error') == ''
        page.wait_for_selector('#run-name >> text=tiny')
        page.wait_for_selector('.chart >> text=Loss/scores')
        page.wait_for_selector('#strip-title, #fakes')
        process.send_signal(signal.SIGKILL)
        page.wait_for_selector('#banner >> text=The server does not answer')
        process, address = stack.enter_context(program(tmp_path, port))
        page.fill('#token', address)
        page.keyboard.press('Enter')
        page.wait_for_selector('#banner', state='hidden')
        page.wait_for_selector('#run-status >> text=/^running/')
        page.click('[data-action=stop]')
        page.click('[data-action=stop]')
        page.wait_for_selector('#run-status >> text=/^stopped/')
        page.wait_for_selector('#resume-command >> text=run_training.py')
    run, = tmp_path.glob('tiny/0*')
    assert re.search('state saved', (run / 'log.txt').read_text())
