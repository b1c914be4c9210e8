#!/usr/bin/env python3
"""Types what people mistype: every command line must end with one line, exit code 2, and leave nothing behind.

Each command of mistakes.txt runs in a process of its own, in a folder of good and bad files. Prints a Markdown table of
the commands and their last lines, and the mistakes that were not caught as they must be; then the exit code is 1.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple

import numpy as np
import PIL.Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import cli  # noqa: E402  (found only after the line above)
from dnnlib.files import torch_writer  # noqa: E402

NETWORK = os.path.join(ROOT, 'networks', 'cats64.pkl')
SECONDS = 120  # a mistake that takes longer to find counts as not found


class Mistake(NamedTuple):
    """A command line that must be refused."""
    program: str
    argv: list
    early: bool  # is it refused before TensorFlow is loaded?

    def command(self):
        """The line that a person types."""
        return ' '.join([self.program] + [shlex.quote(part) for part in self.argv])


def read_table(path=os.path.join(ROOT, 'benchmarks', 'mistakes.txt')):
    """The command lines of a file: list of Mistake."""
    found, program, early = [], None, True
    with open(path, encoding='utf-8') as file:
        for line in file.read().split('\n'):
            if line.startswith('['):
                program, _, late = line[1:-1].partition(' ')
                early = late != 'late'
            elif '|' in line and not line.startswith('#'):
                found.append(Mistake(program, shlex.split(line.replace('|', ' ', 1)), early))
    return found


def make_files(folder):
    """Writes the files that the commands name.

    Args:
        folder: Empty folder.
    """
    def path(*parts):
        return os.path.join(folder, *parts)

    def write(name, data):
        with open(path(name), 'wb') as file:
            file.write(data)

    for name in ('empty', 'texts', 'pictures', 'mixed', 'bad', 'records'):
        os.mkdir(path(name))
    for name in ('text.txt', 'texts/notes.txt', 'bad/a.png', 'bad/b.jpg', 'records/x-r04.tfrecords', 'broken.zip'):
        write(name, b'Some text, which is no picture, no zip and no network.\n')
    for index in range(4):
        image = PIL.Image.new('RGB', (16, 16), (60 * index, 128, 0))
        image.save(path('pictures', f'{index}.png'))
        image.resize((16 + index, 16)).save(path('mixed', f'{index}.png'))
    for name in ('page.pkl', 'page.npz'):
        write(name, b'<!DOCTYPE html><html><head><title>Sign in</title></head></html>\n')
    write('lfs.pkl', b'version https://git-lfs.github.com/spec/v1\noid sha256:' + b'0' * 64 + b'\nsize 1\n')
    with open(NETWORK, 'rb') as file:
        data = file.read()
    write('networks.pkl', data)
    write('cut.pkl', data[:len(data) // 2])
    write('cut.npz', b'PK\x03\x04' + bytes(100))
    with zipfile.ZipFile(path('texts.npz'), 'w') as archive:
        archive.writestr('notes.txt', 'text')
    write('other.json', json.dumps(dict(answer=42)).encode())
    tensors = translator_tensors()
    torch_writer.save(tensors, path('G.pth'))
    torch_writer.save(dict(list(tensors.items())[:-1]), path('lacking.pth'))


def translator_tensors():
    """A generator of CycleGAN with one block and one feature map, all zeros, as PyTorch names its tensors."""
    shapes = {'1': (1, 3, 7), '4': (2, 1, 3), '7': (4, 2, 3), '10.conv_block.1': (4, 4, 3),
              '10.conv_block.5': (4, 4, 3), '11': (4, 2, 3), '14': (2, 1, 3), '18': (3, 1, 7)}
    found = {}
    for name, (first, second, kernel) in shapes.items():
        outputs = second if name in ('11', '14') else first  # transposed convolutions
        found[f'model.{name}.weight'] = np.zeros([first, second, kernel, kernel], np.float32)
        found[f'model.{name}.bias'] = np.zeros([outputs], np.float32)
    return found


def listing(folder):
    """Names of everything in a folder, sorted."""
    return sorted(os.path.join(top, name) for top, folders, files in os.walk(folder) for name in folders + files)


def problems_of(code, error, before, after):
    """What is wrong with how a mistake was answered: list of texts.

    Args:
        code: Exit code.
        error: What was written to standard error.
        before, after: Results of `listing`.
    """
    lines = [line for line in error.splitlines() if not line.startswith('usage:')]
    found = [] if code == 2 else [f'exit code {code}']
    found += [] if len(lines) == 1 else [f'{len(lines)} lines on standard error']
    found += ['a traceback'] if 'Traceback' in error else []
    found += ['left ' + ', '.join(sorted(set(after) ^ set(before)))] if before != after else []
    return found


def main(argv):
    """Runs the table; returns the exit code."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument('--only', default='', metavar='TEXT', help='run the commands that contain this')
    args = parser.parse_args(argv)
    failed, table = [], [mistake for mistake in read_table() if args.only in mistake.command()]
    print('| command | last line |\n|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        before = listing(folder)
        for mistake in table:
            try:
                process = subprocess.run(
                    [sys.executable, os.path.join(ROOT, mistake.program + '.py')] + mistake.argv, cwd=folder,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, stdin=subprocess.DEVNULL)
                code, error = process.returncode, process.stderr.decode(errors='replace')
            except subprocess.TimeoutExpired:
                code, error = 'none: it still ran', ''
            found = problems_of(code, error, before, listing(folder))
            before = listing(folder)
            last = (error.strip().splitlines() or [''])[-1].replace('|', '\\|')
            print(f'| `{mistake.command()}` | {last} |', flush=True)
            failed += [f'{mistake.command()}: {"; ".join(found)}\n{error}'] if found else []
    print(f'\n{len(table)} mistakes, {len(failed)} not answered as they must be')
    print('\n'.join(failed))
    return 1 if failed else 0


if __name__ == '__main__':
    cli.run_main(main)
