#!/usr/bin/env python3
"""Types what people mistype: every command line must end with one line, exit code 2, and leave nothing behind.

Each command of TABLE runs in a process of its own, in a folder of good and bad files. Prints a Markdown table of the
commands and their last lines, and the mistakes that were not caught as they must be; then the exit code is 1.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from typing import NamedTuple

import PIL.Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib import cli  # noqa: E402  (found only after the line above)

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


TRAIN = '''
| --datset=pictures
| --dataset=missing
| --dataset=empty
| --dataset=texts
| --dataset=mixed
| --dataset=bad
| --dataset=broken.zip
| --dataset=text.txt
| --dataset=records
| --dataset
| --dataset=empty --config=auto
| --dataset=mixed --config=small
--dataset=pictures | --total_kimg=5
--dataset=pictures | --kimg=many
--dataset=pictures | --total-kimg=-1
--dataset=pictures | --total-kimg=1 --epochs=2
--dataset=pictures | --epochs=0
--dataset=pictures | --config=confg-f
--dataset=pictures | --config=CONFIG_F --dry-run
--dataset=pictures | --config
--dataset=pictures | --resolution=17
--dataset=pictures | --resolution=64px
--dataset=pictures | --resolution=0
--dataset=pictures | --gamma=nan
--dataset=pictures | --gamma=-1
--dataset=pictures | --gamma=1 --d-loss=D_wgan
--dataset=pictures | --d-loss=D_logistc
--dataset=pictures | --lr=0
--dataset=pictures | --lr=inf
--dataset=pictures | --batch=0
--dataset=pictures | --batch=16.5
--dataset=pictures | --batch=6 --minibatch-gpu=4
--dataset=pictures | --minibatch-gpu=0
--dataset=pictures | --width=0
--dataset=pictures | --width=1/0
--dataset=pictures | --width=half
--dataset=pictures | --snap=0
--dataset=pictures | --keep=0
--dataset=pictures | --seed=-1
--dataset=pictures | --seed=4294967296
--dataset=pictures | --mirror=perhaps
--dataset=pictures | --metrics=fid
--dataset=pictures | --metrics=fid50K
--dataset=pictures | --keep-best=fid50k
--dataset=pictures | --holdout=1
--dataset=pictures | --bad=skp
--dataset=pictures | --aug=fixed
--dataset=pictures | --aug=noaug --p=0.5
--dataset=pictures | --aug=ada --p=2
--dataset=pictures | --aug=ada --augpipe=bcg
--dataset=pictures | --target=0.6
--dataset=pictures | --cmethod=bcr
--dataset=pictures | --precision=fp16
--dataset=pictures | --device=tpu
--dataset=pictures | --ops=fast
--dataset=pictures | --resume=missing.pkl
--dataset=pictures | --resume=page.pkl
--dataset=pictures | --resume=lfs.pkl
--dataset=pictures | --resume=pictures
--dataset=pictures | --resume=text.txt
--dataset=pictures | --freeze-d=2
--dataset=pictures | --strict
--dataset=pictures | --result-dir=text.txt/results
--dataset=pictures | --data-dir=missing
--dataset=pictures | --set Gs.fmap_base=1024
--dataset=pictures | --set fmap_base=1024
--dataset=pictures | --set G.fmap_base
--dataset=pictures | --set dataset.max_label_size=full
--dataset=pictures | --set dataset.resolution=17
--dataset=pictures | --set
'''
TRAIN_LATE = '''
--dataset=pictures --device=cpu --ops=ref | --set G.fmap_bas=1024
--dataset=pictures --device=cpu --ops=ref | --set G.fmap_base=many
--dataset=pictures --device=cpu --ops=ref | --set D.func_name=training.networks_stylegan2.D_main
--dataset=pictures --device=cpu --ops=ref --no-selftest | --resume=cut.pkl
--dataset=pictures --device=cpu --ops=ref --no-selftest | --set grid.size=8by4
'''
GENERATE = '''
| generate-image --seeds=1
| --seeds=1
| --network=x generate-images --seeds=1
| generate-images
generate-images | --seed-s=1
generate-images | --seeds=5-1
generate-images | --seeds=-1
generate-images | --seeds=one
generate-images | --seeds=4294967296
generate-images | --seeds=
generate-images --seeds=1 | --truncation_psi=0.7
generate-images --seeds=1 | --truncation-psi=nan
generate-images --seeds=1 | --truncation-psi=a
generate-images --seeds=1 | --network=missing.pkl
generate-images --seeds=1 | --network=page.pkl
generate-images --seeds=1 | --network=lfs.pkl
generate-images --seeds=1 | --network=text.txt
generate-images --seeds=1 | --network=empty
generate-images --seeds=1 | --network=cats46
generate-images --seeds=1 | --network=gdrive:networks/stylegan2-ffhq.pkl
generate-images --seeds=1 | --outputs=pgn
generate-images --seeds=1 | --dtype=float32
generate-images --seeds=1 | --noise=constant
generate-images --seeds=1 | --minibatch=0
generate-images --seeds=1 | --result-dir=text.txt
generate-images --seeds=1 | --interpolate=3
generate-images | --dlatents=missing.npz
generate-images | --dlatents=cut.npz
generate-images | --dlatents=page.npz
generate-images | --dlatents=texts.npz
style-mixing-example --row-seeds=1 | --col-seeds=2-1
style-mixing-example --row-seeds=1 | --col-seeds=missing.npz
style-mixing-example | --row-seeds=1
| info missing.pkl
| export
'''
GENERATE_LATE = '''
generate-images --seeds=1 | --class=3
generate-images --seeds=1 | --network=cut.pkl
style-mixing-example --row-seeds=1 --col-seeds=2 | --col-styles=99
edit --seeds=1 | --directions=missing.npz
| info page.pkl
| export networks.pkl cats.gguf
| export networks.pkl
'''
PROJECT = '''
| project-image pictures
| project-images
project-images | missing.png
project-images | empty
project-images | texts
project-images | bad
project-images | text.txt
project-images | broken.zip
project-images pictures | --num_steps=10
project-images pictures | --num-steps=0
project-images pictures | --num-steps=1e3
project-images pictures | --space=z
project-images pictures | --distance=lpips
project-images pictures | --fit=corp
project-images pictures | --preset=quick
project-images pictures | --mask=missing.png
project-images pictures | --start-dlatents=cut.npz
project-images pictures | --network=missing.pkl
project-images pictures | --result-dir=text.txt
project-images pictures | --restarts=0
project-real-images | --dataset=missing
project-real-images | --dataset=empty
project-real-images | --dataset=pictures --num-images=0
| project-real-images
project-generated-images | --seeds=3-1
calibrate | --generated=4
calibrate --generated=4 | --reals=missing
calibrate --generated=4 | --reals=empty
calibrate --reals=pictures | --generated=0
calibrate --reals=pictures | --error-rates=0.1,2
detect pictures | --error-rate=0.05
detect pictures | --calibration=missing.json
detect pictures | --calibration=text.txt
detect pictures | --calibration=other.json
'''
METRICS = '''
|
| --netwrk=networks.pkl
| --network=networks.pkl --fakes=pictures
--network=networks.pkl | --metrics=fid
--network=networks.pkl | --metrics=fid1k
--network=networks.pkl | --metrics=ppl_wnd
--network=networks.pkl | --metrics=
--network=networks.pkl | --num-images=0
--network=networks.pkl | --num-images=many
--network=networks.pkl | --seed=-1
--network=networks.pkl | --json=empty
--network=networks.pkl --metrics=fid1k | --dataset=missing
--network=networks.pkl --metrics=fid1k | --dataset=empty
--network=networks.pkl --metrics=fid1k --dataset=pictures | --data-dir=missing
--network=networks.pkl --metrics=fid1k --dataset=pictures | --bad=skp
--network=networks.pkl --metrics=fid1k --dataset=pictures | --resolution=big
--network=networks.pkl | --result-dir=text.txt
| --network=page.pkl
| --network=missing.pkl
--metrics=fid1k --dataset=pictures | --fakes=mixed
--metrics=fid1k --dataset=pictures | --fakes=bad
--dataset=pictures | --fakes=pictures --metrics=ppl_wend
'''
DATASET = '''
| create_from_image new pictures
| create_from_images new
| create_from_images new missing
| create_from_images new empty
| create_from_images new bad
| create_from_images new mixed
| create_from_images text.txt pictures
create_from_images new pictures | --resolution=17
create_from_images new pictures | --resoluton=16
create_from_images new pictures | --channels=2
create_cats new | --max-images=5
create_cats new | --max_images=0
create_cats new | --resolution=512
| check missing
| check text.txt
| display missing --output=new.png
| extract missing new
| compare pictures
| compare pictures missing
| create_celeba new missing
'''


def _lines(program, text, early=True):
    found = []
    for line in text.strip('\n').split('\n'):
        good, _, wrong = line.partition('|')
        found.append(Mistake(program, shlex.split(good) + shlex.split(wrong), early))
    return found


TABLE = (_lines('run_training', TRAIN) + _lines('run_training', TRAIN_LATE, False)
         + _lines('run_generator', GENERATE) + _lines('run_generator', GENERATE_LATE, False)
         + _lines('run_projector', PROJECT) + _lines('run_metrics', METRICS) + _lines('dataset_tool', DATASET))


def make_files(folder):
    """Writes the files that the commands of TABLE name.

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
    failed = []
    print('| command | last line |\n|---|---|')
    with tempfile.TemporaryDirectory() as folder:
        make_files(folder)
        before = listing(folder)
        for mistake in TABLE:
            if args.only not in mistake.command():
                continue
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
    print(f'\n{len(TABLE)} mistakes, {len(failed)} not answered as they must be')
    print('\n'.join(failed))
    return 1 if failed else 0


if __name__ == '__main__':
    cli.run_main(main)
