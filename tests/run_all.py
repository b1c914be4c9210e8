#!/usr/bin/env python3
"""`make test`: lint, then the test suite under every supported TensorFlow whose Python is on this machine.

Runs with any Python 3.6 or newer and its standard library; environments.py makes the environments.
* The newest TensorFlow runs the whole suite, ruff and hadolint.
* TensorFlow 1.14 runs what its version can change (selection.py says what that is not) under the oldest Python found,
  which also compiles every file, and a short set under the other one, where only TensorFlow's wheel differs.
* As many test processes run as there are processors, at most four; each takes whole files.
* Missing Pythons are skipped and named, unless the environment variable STYLEGAN2_REQUIRE (comma list of `newest` and
  `1.14`) names their TensorFlow: then, or if nothing could run at all, the run fails.
* The tests of the page in a browser run where there is a Chromium (`python -m pytest -m browser`), else are skipped.
* At the end come the slowest tests, the summary and the total time.
Arguments are handed to pytest, e.g. `python3 tests/run_all.py -k dataset`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import environments  # noqa: E402  (found only after the line above)

SLOWEST = 20  # tests that are named at the end
COMPILED = ['dnnlib', 'training', 'metrics', 'generator', 'export', 'projector', 'translator', 'explorer',
            'benchmarks', 'tests', 'demo.py', 'environments.py', 'stylegan2.py', 'run_training.py', 'run_generator.py',
            'run_projector.py', 'run_metrics.py', 'run_translator.py', 'run_explorer.py', 'dataset_tool.py']
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
COUNTS = ('passed', 'failed', 'skipped')


def say(line):
    """Prints one line at once, so that it stays in order with the output of the programs."""
    print(line, flush=True)


def heading(text):
    say('\n=== %s' % text)


def check(name, command):
    """Runs one linter; returns its summary line, which starts with `ok` or `FAILED`."""
    heading(name)
    code = subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    say('%s: exit code %d' % (name, code))
    return '%-7s %s' % ('ok' if code == 0 else 'FAILED', name)


def lint(environment):
    """Ruff and hadolint from the newest environment."""
    folder = os.path.dirname(environment.python)
    return [check('ruff (lint)', [environment.python, '-m', 'ruff', 'check', '--no-cache', '.']),
            check('hadolint Dockerfile', [os.path.join(folder, 'hadolint'), 'Dockerfile'])]


def read_report(path):
    """What pytest wrote with --junitxml.

    Returns: (dict of COUNTS, list of (seconds, name of the test)); zeros and nothing if it ended without a report.
    """
    counts, times = dict.fromkeys(COUNTS, 0), []
    for suite in xml.etree.ElementTree.parse(path).getroot().iter('testsuite') if os.path.exists(path) else []:
        failed, skipped = int(suite.get('failures')) + int(suite.get('errors')), int(suite.get('skipped'))
        counts['failed'] += failed
        counts['skipped'] += skipped
        counts['passed'] += int(suite.get('tests')) - failed - skipped
        times += [(float(case.get('time')), '%s::%s' % (case.get('classname'), case.get('name')))
                  for case in suite.iter('testcase')]
    return counts, times


def run_pytest(environment, arguments):
    """Runs pytest; returns (exit code, dict of COUNTS, times as of `read_report`)."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, 'report.xml')
        processes = min(os.cpu_count() or 1, 4)
        parallel = ['-n', str(processes), '--dist', 'loadfile'] if processes > 1 else []
        command = [environment.python, '-m', 'pytest', '--junitxml=' + report] + parallel + arguments
        code = subprocess.call(command, cwd=ROOT, env=environments.run_environment(), stdin=subprocess.DEVNULL)
        return (code,) + read_report(report)


def run_suite(environment, name, selection, arguments):
    """Runs the tests of a selection in one environment; returns (summary line, counts, times)."""
    title = name + {'most': '', 'again': ', what TensorFlow can change', 'short': ', short set'}[selection]
    heading('pytest, ' + title)
    started = time.time()
    code, counts, times = run_pytest(environment, ['--selection=' + selection] + arguments)
    ok = code == 0 and counts['passed'] > 0
    result = ', '.join('%d %s' % (counts[key], key) for key in COUNTS)
    detail = '' if ok or counts['failed'] else ' (pytest exit code %d)' % code
    line = '%-7s %s: %s in %.0f s%s' % ('ok' if ok else 'FAILED', title, result, time.time() - started, detail)
    say(line)
    return line, counts, times


def prefetch_weights(environment):
    """Puts the LPIPS weights into the cache once, so that no test downloads; tests that need them skip otherwise."""
    heading('LPIPS weights in %s' % environments.cache_dir())
    command = [environment.python, '-m', 'metrics.weights']
    if subprocess.call(command, cwd=ROOT, env=environments.run_environment(), stdin=subprocess.DEVNULL) != 0:
        return ['skipped LPIPS weights: they could not be fetched (see above); tests that need them are skipped']
    return []


def prepare_browser(version, interpreter):
    """Installs Playwright if there is a Chromium for the tests of the page; summary lines: why they are skipped."""
    if not any(shutil.which(name) for name in BROWSERS):
        return ['skipped tests in a browser: no Chromium (Debian: apt-get install chromium)']
    try:
        environments.prepare(version, 'newest', interpreter, 'requirements-browser.txt', say)
    except environments.SetupError as e:
        say(str(e))
        return ['skipped tests in a browser: Playwright could not be installed (see above)']
    return []


def missing(found):
    """Summary lines for TensorFlows that no Python was found for; those in STYLEGAN2_REQUIRE are failures."""
    required = [name for name in os.environ.get('STYLEGAN2_REQUIRE', '').replace(' ', '').split(',') if name]
    unknown = sorted(set(required) - set(environments.PYTHONS))
    lines = ['FAILED  STYLEGAN2_REQUIRE: expected newest or 1.14, got %r' % name for name in unknown]
    for tensorflow, versions in environments.PYTHONS.items():
        if tensorflow not in [item[1] for item in found]:
            wanted = ', '.join('%d.%d' % version for version in sorted(versions))
            word = 'FAILED ' if tensorflow in required else 'skipped'
            lines.append('%s TensorFlow %s: no Python %s on PATH or in pyenv' % (word, tensorflow, wanted))
    if ('1.14' in [item[1] for item in found]) and [item[0] for item in found].count((3, 6)) == 0:
        lines.append('skipped Python 3.6: not on PATH or in pyenv; 1.14 was tested under 3.7 only')
    return lines


def describe(environment):
    """Name of an environment such as `Python 3.6.15, TensorFlow 1.14.0, NumPy 1.16.6`; raises if it doesn't import."""
    code = ('import platform, numpy, tensorflow as tf; print("Python %s, TensorFlow %s, NumPy %s" '
            '% (platform.python_version(), tf.__version__, numpy.__version__))')
    run = subprocess.run([environment.python, '-W', 'ignore', '-c', code], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, env=environments.run_environment())
    if run.returncode != 0:
        raise environments.SetupError('TensorFlow does not import: ' + run.stderr.decode(errors='replace')[-500:])
    return run.stdout.decode().strip().splitlines()[-1]


def run_everything(found, arguments):
    """Lints, compiles and tests; returns (summary lines, total counts, [(seconds, test and its Python)])."""
    lines, total, slow = [], dict.fromkeys(COUNTS, 0), []
    oldest = min(item[0] for item in found)
    for number, (version, tensorflow, interpreter) in enumerate(found):
        try:
            environment = environments.prepare(version, tensorflow, interpreter, 'requirements-dev.txt', say)
            if tensorflow == 'newest':
                lines += prepare_browser(version, interpreter)
            name = describe(environment)
        except environments.SetupError as e:
            lines.append('FAILED  Python %d.%d: no environment' % version)
            say(str(e))
            continue
        if tensorflow == 'newest':
            lines += lint(environment)
        if version == oldest:
            quiet = [environment.python, '-m', 'compileall', '-q', '-f']
            lines.append(check('compileall by Python %d.%d' % version, quiet + COMPILED))
        if number == 0:
            lines += prefetch_weights(environment)
        # whichever environment comes first runs everything, so that without the newest nothing is left out
        selection = 'most' if number == 0 else 'short' if tensorflow == '1.14' and version != oldest else 'again'
        line, counts, times = run_suite(environment, name, selection, arguments)
        lines.append(line)
        slow += [(seconds, '%s (Python %d.%d)' % ((test,) + version)) for seconds, test in times]
        for key in COUNTS:
            total[key] += counts[key]
    return lines, total, slow


def main(arguments):
    """Runs everything, prints the summary; exit code 0 only if something ran and nothing failed."""
    os.chdir(ROOT)
    found = environments.find_all()
    started = time.time()
    lines, total, slow = run_everything(found, arguments) if found else ([], dict.fromkeys(COUNTS, 0), [])
    lines += missing(found)
    if 'newest' not in [item[1] for item in found]:
        lines.append('skipped ruff and hadolint: they are run by the newest environment')
    if total['passed'] == 0:
        lines.append('FAILED  no test has run')
    heading('slowest %d tests' % SLOWEST)
    for seconds, test in sorted(slow, reverse=True)[:SLOWEST]:
        say('%6.1f s  %s' % (seconds, test))
    heading('summary')
    for line in lines:
        say(line)
    say('%d passed, %d failed, %d skipped in %.0f s' % (tuple(total[key] for key in COUNTS) + (time.time() - started,)))
    return 1 if any(line.startswith('FAILED') for line in lines) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
