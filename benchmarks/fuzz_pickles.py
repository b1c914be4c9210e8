"""Mutations of network files against the restricted reader: nothing may run, hang, or eat memory without bound.

    python benchmarks/fuzz_pickles.py --count=100000 tests/data/*.pkl tests/data/*.pt

Each file is changed at its instructions (most of its bytes are weights, where a change has no effect on reading; in an
archive of PyTorch the pickle is changed) and read by `info`, in processes with a limit of 2 GiB. A file must be read or
refused with a UserError within 10 s of processor time. Files that would run something create a canary, which is looked
for. Prints one line per kind of outcome.
"""

import argparse
import collections
import io
import multiprocessing
import os
import pickle
import pickletools
import random
import re
import resource
import sys
import tempfile
import time
import zipfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from dnnlib import cli  # noqa: E402
from dnnlib.files import network_file, torch_file  # noqa: E402
from dnnlib.util import UserError  # noqa: E402
from generator import info  # noqa: E402

MAX_SECONDS, MAX_BYTES = 10, 2 << 30
CANARY = 'canary'
EVIL_NAMES = (b'posix system', b'builtins eval', b'builtins exec', b'os mkdir', b'subprocess Popen',
              b'builtins getattr', b'dnnlib.tflib.network Network', b'numpy ndarray',
              b'numpy.core.multiarray _reconstruct', b'torch_utils.persistence _reconstruct_persistent_obj',
              b'torch.storage _load_from_bytes', b'torch._utils _rebuild_tensor_v2', b'builtins set',
              b'argparse Namespace')
EXTREMES = (0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def payloads():
    """Pieces of pickles that would create the canary, or use up memory or stack, in an ordinary reader."""
    call = b"(S'%s'\ntR" % CANARY.encode()
    found = [b'cos\nmkdir\n' + call, b'\x8c\x02os\x8c\x05mkdir\x93' + call, b'cposix\nmkdir\n' + call,
             b"(S'%s'\nios\nmkdir\n" % CANARY.encode(), b"cbuiltins\nopen\n(S'%s'\nS'w'\ntR" % CANARY.encode()]
    found += [b']' + b'\x85' * 5000, b'(' * 5000, b'r\xff\xff\xff\x7f', b'j\xff\xff\xff\x7f',
              b'\x8e' + b'\xff' * 7 + b'\x7f', b'\x8d' + b'\xff' * 7 + b'\x7f', b'\x96' + b'\xff' * 7 + b'\x7f',
             b'\x95' + b'\xff' * 8,
              b'\x8b\xff\xff\xff\x7f', b'\x82\x01', b'\x84\x01\x00\x00\x00', b'Pabc\n', b'K\x00Q', b'\x80\xff',
             b'2' * 5000, b'}h\x00h\x00s',
              b'I' + b'9' * 5000 + b'\n', b'(lp0\n' + b'(g0\ng0\n' * 20 + b'l' * 20, b'h\x00b', b'h\x00R', b'h\x00\x81',
              b'\x8f(h\x00\x90']
    return found


class Mutator:
    """Makes changed copies of a pickle.

    Args:
        data: The pickle, bytes, or an archive of PyTorch.
    """

    def __init__(self, data):
        self._members = []
        if data[:2] == b'PK':
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                self._members = [(name, archive.read(name)) for name in archive.namelist()]
            data = next(item for name, item in self._members if name.endswith('/data.pkl'))
        self._data = data
        self._places = [position for _op, _arg, position in pickletools.genops(data)] if data[:1] == b'\x80' else []
        self._places = self._places or list(range(min(len(data), 4096)))

    def mutate(self, rnd):
        """A copy with one to four changes, drawn from a `random.Random`."""
        data = bytearray(self._data)
        for _ in range(rnd.choice((1, 1, 1, 2, 4))):
            place = rnd.choice(self._places) + rnd.choice((0, 0, 0, 1, 1, 2, 3))
            rnd.choice((self._flip, self._flip, self._replace, self._insert, self._delete, self._repeat, self._number,
                        self._splice, self._rename, self._cut))(data, place, rnd)
        return self._archive(bytes(data)) if self._members else bytes(data)

    def _archive(self, data):
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w') as archive:
            for name, item in self._members:
                archive.writestr(name, data if name.endswith('/data.pkl') else item)
        return out.getvalue()

    @staticmethod
    def _flip(data, place, rnd):
        if place < len(data):
            data[place] ^= 1 << rnd.randrange(8)

    @staticmethod
    def _replace(data, place, rnd):
        if place < len(data):
            data[place] = rnd.randrange(256)

    @staticmethod
    def _insert(data, place, rnd):
        data[place:place] = bytes(rnd.randrange(256) for _ in range(rnd.choice((1, 2, 5))))

    @staticmethod
    def _delete(data, place, rnd):
        del data[place:place + rnd.choice((1, 2, 10, 300))]

    @staticmethod
    def _repeat(data, place, rnd):
        piece = bytes(data[place:place + rnd.choice((1, 3, 30))])
        data[place:place] = piece * rnd.choice((1, 2, 1000))

    @staticmethod
    def _number(data, place, rnd):
        size = rnd.choice((1, 2, 4, 8))
        data[place + 1:place + 1 + size] = (rnd.choice(EXTREMES) % (1 << 8 * size)).to_bytes(size, 'little')

    @staticmethod
    def _splice(data, place, rnd):
        data[place:place] = rnd.choice(payloads())

    @staticmethod
    def _rename(data, place, rnd):
        module, name = rnd.choice(EVIL_NAMES).split()
        found = list(re.finditer(rb'c[\w.]+\n\w+\n', bytes(data[:20000]))) or [None]
        if found[0] is None:
            data[place:place] = b'c' + module + b'\n' + name + b'\n'
        else:
            match = rnd.choice(found)
            data[match.start():match.end()] = b'c' + module + b'\n' + name + b'\n'

    @staticmethod
    def _cut(data, place, rnd):
        if rnd.random() < 0.2:
            del data[place:]


def read(data):
    """Reads a file in every way there is; returns what came of it as a short text."""
    outcomes = []
    for function in (lambda: info.describe(data), lambda: network_file.read_inert(io.BytesIO(data)),
                     lambda: torch_file.load_state_dict(io.BytesIO(data))):
        try:
            function()
            outcomes.append('read')
        except UserError as error:
            outcomes.append('refused' if 'refused' in str(error) else 'damaged')
    outcomes = outcomes[::2] if data[:2] == b'PK' else outcomes[:2]
    return 'refused' if 'refused' in outcomes else outcomes[1]


def small_pickles():
    """Small pickles of all protocols with the objects of network files."""
    value = {'a': [1, 2.5, None, True, 'text', (3, -4), 1 << 40], 'b': ({'x': b'bytes'}, [[]]), 'c': 'long ' * 100}
    shared = [value, value]
    return [pickle.dumps(shared, protocol) for protocol in range(5)]


def work(args):
    """One process: mutates and reads; returns (counts of outcomes, slowest seconds, list of problems)."""
    paths, seed, count, folder = args
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_BYTES, MAX_BYTES))
    files = list(small_pickles())
    for path in paths:
        with open(path, 'rb') as f:
            files.append(f.read())
    mutators, rnd = [Mutator(data) for data in files], random.Random(seed)
    counts, slowest, problems = collections.Counter(), 0.0, []
    for index in range(count):
        data = rnd.choice(mutators).mutate(rnd)
        begin = time.process_time()  # a machine that is busy with other things is no defect of the reader
        try:
            outcome = read(data)
        except Exception as error:  # any other exception is a defect of the reader: that is what this looks for
            outcome = 'DEFECT'
            problems.append('seed {} file {}: {}: {:.200}'.format(seed, index, type(error).__name__, str(error)))
        seconds = time.process_time() - begin
        if seconds > MAX_SECONDS:
            problems.append('seed {} file {}: {:.1f} s'.format(seed, index, seconds))
        slowest = max(slowest, seconds)
        counts[outcome] += 1
    return counts, slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, problems


def study(paths, count, jobs, seed=0):
    """Reads `count` mutations in `jobs` processes; returns (counts, slowest seconds, largest memory, problems)."""
    with tempfile.TemporaryDirectory() as folder:
        shares = [(paths, seed + job, count // jobs + (job < count % jobs), folder) for job in range(jobs)]
        with multiprocessing.get_context('spawn').Pool(jobs) as pool:
            results = pool.map_async(work, shares).get(timeout=60 + count)
        problems = [problem for result in results for problem in result[3]]
        problems += ['something was run: {} exists'.format(name) for name in os.listdir(folder)]
    counts = sum((result[0] for result in results), collections.Counter())
    return counts, max(result[1] for result in results), max(result[2] for result in results), problems


def main(argv):
    """Runs the study and prints its outcome; exit code 1 if there was a problem."""
    parser = cli.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', nargs='+', metavar='FILE', help='network files to change')
    parser.add_argument('--count', type=int, default=1000, metavar='N', help='mutations (default: %(default)s)')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='processes (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, metavar='N', help='of the mutations (default: %(default)s)')
    args = parser.parse_args(argv)
    paths = [os.path.abspath(path) for path in args.files]
    begin = time.time()
    counts, slowest, memory, problems = study(paths, args.count, args.jobs, args.seed)
    for outcome in sorted(counts):
        print('{:<8} {:>8,}'.format(outcome, counts[outcome]))
    print('{:,} files in {:.0f} s; slowest {:.2f} s, largest process {:.0f} MiB; problems: {}'.format(
        sum(counts.values()), time.time() - begin, slowest, memory / 2 ** 20, len(problems)))
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    cli.run_main(main)
