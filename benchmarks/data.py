#!/usr/bin/env python3
"""Speed of reading: images/s with one thread and with several, GB/s of TFRecords, how long a training waits for data.

    python benchmarks/data.py                     all of it: folder, zip and TFRecords, PNG and JPEG, 256 and 1024
    python benchmarks/data.py --before=TREE       also another checkout of this project, in turn with this one
    python benchmarks/data.py --digests           are 1,000 minibatches of each source those of commit d7d87f1?
    python benchmarks/data.py --digests=256       prints the digests of as many of pictures of this size; takes minutes

Pictures are smooth noise with some grain, as large as photos when compressed. All are in the file cache, and none is
kept decoded. Two numbers of threads take turns; times are medians, their ratio that of each turn.
"""

import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.environ.get('STYLEGAN2_TREE', ROOT))

from training import dataset  # noqa: E402  (found only after the line above)
from training.data import crc32c, tfrecords  # noqa: E402
from training.data.streams import open_streams  # noqa: E402

KINDS = ('folder', 'zip', 'records')
COUNTS = {256: 200, 1024: 24}  # pictures of a dataset
MINIBATCHES = 1000  # of a digest
STEPS = 60  # of the training that waits


@functools.lru_cache(maxsize=64)
def picture(number, size, grain=3):
    """A picture: uint8 [size, size, 3]."""
    rnd = np.random.RandomState(number)
    coarse = Image.fromarray(rnd.randint(256, size=[max(size // 16, 2)] * 2 + [3]).astype(np.uint8))
    smooth = np.asarray(coarse.resize((size, size), Image.BICUBIC), np.float32)
    return np.uint8(np.clip(smooth + rnd.normal(0, grain, smooth.shape), 0, 255))


def write(kind, path, pictures, file_format='PNG'):
    """Writes a dataset of two classes.

    Args:
        kind: One of KINDS.
        path: New folder, or file of a zip.
        pictures: Iterable of uint8 [H, W, 3].
        file_format: PNG or JPEG; TFRecords have none.
    """
    files = {}
    for number, pixels in enumerate(pictures):
        if kind == 'records':
            image = np.ascontiguousarray(pixels.transpose(2, 0, 1))
            files[number] = tfrecords.frame_record(tfrecords.serialize_image(image))
        else:
            data = io.BytesIO()
            Image.fromarray(pixels).save(data, file_format, **(dict(quality=95) if file_format == 'JPEG' else {}))
            files[f'{"ab"[number % 2]}/{number:04d}.{file_format.lower()}'] = data.getvalue()
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w') as archive:
            for number, (name, data) in enumerate(files.items()):
                archive.writestr(name, data, zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED)
        return
    for name, data in files.items():
        file_path = os.path.join(path, f'x-r{int(np.log2(len(pixels))):02d}.tfrecords' if kind == 'records' else name)
        os.makedirs(os.path.dirname(file_path), exist_ok=True)
        with open(file_path, 'ab') as file:
            file.write(data)
    if kind == 'records':
        with open(os.path.join(path, 'x-rxx.labels'), 'wb') as file:
            np.save(file, np.eye(2, dtype=np.float32)[np.arange(len(files)) % 2])


@contextlib.contextmanager
def opened(stream_args, threads=None, mirror=True):
    """Context manager: streams of a training, {name: Stream}, whose datasets keep no decoded pictures.

    Args:
        stream_args: {name: options of load_dataset}.
        threads: That decode; `None` = as a commit does it that knows no such option.
        mirror: Flip half of the images?
    """
    kept, dataset.IMAGE_CACHE_BYTES = dataset.IMAGE_CACHE_BYTES, 0
    options = {} if threads is None else dict(threads=threads)
    try:
        with contextlib.redirect_stdout(io.StringIO()), open_streams(
                stream_args, 5, mirror_augment=mirror, **options) as streams:
            yield streams
    finally:
        dataset.IMAGE_CACHE_BYTES = kept


def digest(streams, count, size=4, lod=lambda number: 0.0, slots=1):
    """SHA-256 of minibatches of streams, images and labels, as a training sees them, in hex.

    Args:
        streams: {name: Stream}.
        count: Iterations, each of which takes `slots` minibatches of every stream.
        size: Images of a minibatch.
        lod: Function of the number of an iteration: level of detail.
    """
    found = hashlib.sha256()
    for number in range(count):
        for slot in range(slots):
            for stream in streams.values():
                arrays = stream.minibatch(number * size, dict(minibatch_size=size, lod=lod(number)), slot, slots)
                for array in arrays:
                    found.update(f'{array.dtype} {array.shape}'.encode() + array.tobytes())
    return found.hexdigest()


def small_cases(folder, count):
    """Small datasets, each read in another way.

    Args:
        folder: New folder, where they are written.
        count: Minibatches of each source.
    Returns: {name: (stream_args, options of `digest`)}.
    """
    for kind in KINDS:
        write(kind, os.path.join(folder, kind), [picture(number, 16, 40) for number in range(37)])
    paths, labels = {kind: os.path.join(folder, kind) for kind in KINDS}, dict(max_label_size='full')
    side = dict(class_name='training.data.translation.dataset.TranslationDataset', tfrecord_dir=paths['folder'],
                load_size=20, crop_size=16)
    return {
        'folder': (dict(reals=dict(labels, tfrecord_dir=paths['folder'])), dict(count=count)),
        'zip': (dict(reals=dict(labels, tfrecord_dir=paths['zip'], crop=8, jitter=[0.2, 0.2, 0.2, 0.05])),
                dict(count=count)),
        'records': (dict(reals=dict(labels, tfrecord_dir=paths['records'], noise=1 / 128)),
                    dict(count=count // 2, slots=2, lod=lambda number: 2 - 4 * number / count)),
        'cats': (dict(reals=dict(labels, tfrecord_dir='cats', resolution=16)), dict(count=count)),
        'sides': (dict(A=dict(side, train='a'), B=dict(side, train='b')), dict(count=count // 2, size=1)),
        'domains': (dict(reals=dict(side, class_name='training.data.translation.domains.DomainDataset', balanced=True,
                                    pairs=True, crop_prob=0.5)), dict(count=count // 4, size=2))}


def digests(folder, count, size=None, threads=None):
    """{name of a source: digest of `count` minibatches} of `small_cases`, or of pictures of a size."""
    cases = small_cases(folder, count) if size is None else {}
    for kind, file_format in combinations() if size is not None else ():
        path = os.path.join(folder, f'{kind}-{file_format}')
        write(kind, path, (picture(number, size) for number in range(64)), file_format)
        cases[f'{kind} {file_format}'] = dict(reals=dict(tfrecord_dir=path)), dict(count=count)
    found = {}
    for name, (stream_args, options) in cases.items():
        with opened(stream_args, threads) as streams:
            found[name] = digest(streams, **options)
    return found


def golden(count):
    """What `digests` of commit d7d87f1 returns for the small cases."""
    with open(os.path.join(ROOT, 'tests', 'data', 'minibatches.json'), encoding='utf-8') as file:
        return json.load(file)[str(count)]


def combinations():
    """(kind of a dataset, format of its files): what there is to measure."""
    return [(kind, file_format) for kind in KINDS for file_format in ('PNG', 'JPEG')
            if kind != 'records' or file_format == 'PNG']


def rate(path, minibatches, size, threads=None):
    """Images per second of a stream that is read without pause, after the first three minibatches."""
    with opened(dict(reals=dict(tfrecord_dir=path)), threads) as streams:
        for number in range(minibatches + 3):
            if number == 3:
                started = time.perf_counter()
            streams['reals'].minibatch(number * size, dict(minibatch_size=size, lod=0.0))
        return minibatches * size / (time.perf_counter() - started)


def checked_gb_per_second(path, native):
    """GB/s of images of TFRecords that one thread reads for the first time, and for the second."""
    with contextlib.redirect_stdout(io.StringIO()), dataset.load_dataset(tfrecord_dir=path, shuffle_mb=0) as data:
        images, found = np.empty([8] + data.shape, np.uint8), []
        data.read(data.num_images - 1)  # finds the records
        with crc32c.using(native):
            for _ in range(2):
                times = []
                for begin in range(0, data.num_images - 8, 8):
                    started = time.perf_counter()
                    data.read_into(images, np.arange(begin, begin + 8), range(begin, begin + 8), 0)
                    times.append(time.perf_counter() - started)
                found.append(images.nbytes / np.median(times) / 1e9)
    return found


def waiting_share(path, size, threads, spare):
    """Share of its time that a consumer waits for data which takes 1 + `spare` times as long as reading takes.

    Returns: (share after the first eighth of the steps, seconds of a step without waiting).
    """
    step = (1 + spare) * size / rate(path, 8, size, threads)
    with opened(dict(reals=dict(tfrecord_dir=path)), threads) as streams:
        waited = []
        for number in range(STEPS):
            started = time.perf_counter()
            streams['reals'].minibatch(number * size, dict(minibatch_size=size, lod=0.0))
            waited.append(time.perf_counter() - started)
            time.sleep(step)
    waited = np.sum(waited[STEPS // 8:])
    return waited / (waited + step * (STEPS - STEPS // 8)), step


def rate_of(tree, *args):
    """`rate` of another checkout."""
    command = [sys.executable, os.path.abspath(__file__), '--rate'] + [str(arg) for arg in args]
    return float(subprocess.check_output(command, env=dict(os.environ, STYLEGAN2_TREE=tree)))


def measure_rates(folder, size, turns, threads, before):
    """Prints images per second of all sources of pictures of a size."""
    minibatch = 8 if size > 256 else 32
    for kind, file_format in combinations():
        path, minibatches = os.path.join(folder, f'{kind}-{file_format}-{size}'), 4 if size > 256 else 10
        if kind == 'records':
            minibatches *= 10
        write(kind, path, (picture(number, size) for number in range(COUNTS[size])), file_format)
        found = []
        for _ in range(turns):
            found.append([rate(path, minibatches, minibatch, n) for n in (1, threads)]
                         + ([rate_of(before, path, minibatches, minibatch)] if before else []))
        one, several, *old = np.median(found, axis=0)
        ratios = np.divide(found, np.asarray(found)[:, :1])
        print(f'{size:5} {kind:8} {file_format:5} {one:8.1f} images/s with one thread, {several:8.1f} with {threads}: '
              f'{np.median(ratios[:, 1]):.2f} x' + ''.join(f'; before {rate:.1f}' for rate in old), flush=True)


def main(argv=None):
    """Parses the command line and measures."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--sizes', default='256,1024', help='sizes of the pictures (default: %(default)s)')
    p.add_argument('--threads', type=int, default=2, help='compared with one (default: %(default)s)')
    p.add_argument('--turns', type=int, default=5, help='default: %(default)s')
    p.add_argument('--only', choices=('rates', 'records', 'waiting'), help='measure only this')
    p.add_argument('--before', metavar='TREE', help='another checkout that is measured as well')
    p.add_argument('--digests', nargs='?', type=int, const=0, help='see above')
    p.add_argument('--rate', nargs=3, help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    if args.rate:
        from dnnlib.allocator import keep_large_allocations
        keep_large_allocations()
        print(rate(args.rate[0], int(args.rate[1]), int(args.rate[2])))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.digests is not None:
            threads = args.threads if hasattr(dataset.Dataset, 'read_with') else None
            found = digests(folder, MINIBATCHES, args.digests or None, threads)
            print(json.dumps(found, indent=1))
            if not args.digests:
                print('as in commit d7d87f1' if found == golden(MINIBATCHES) else 'NOT those of commit d7d87f1')
            return
        for size in map(int, args.sizes.split(',')):
            measure_size(folder, size, args)


def measure_size(folder, size, args):
    """Prints all that was asked for of one size."""
    from dnnlib.allocator import keep_large_allocations
    keep_large_allocations()  # as a training does
    from dnnlib.tflib.ops import native
    if args.only in (None, 'rates'):
        with crc32c.using(native.crc32c()):
            measure_rates(folder, size, args.turns, args.threads, args.before)
    path = os.path.join(folder, f'measured-{size}')
    if args.only in (None, 'records'):
        write('records', path, (picture(number, size) for number in range(2 * COUNTS[size])))
        for name, function in (('NumPy', None), ('the processor', native.crc32c())):
            first, second = np.median([checked_gb_per_second(path, function) for _ in range(args.turns)], axis=0)
            print(f'{size:5} TFRecords, one thread: {first:.2f} GB/s with checksums by {name}, {second:.2f} without',
                  flush=True)
    if args.only in (None, 'waiting'):
        write('zip', path + '.zip', (picture(number, size) for number in range(COUNTS[size])))
        share, step = waiting_share(path + '.zip', 8 if size > 256 else 32, args.threads, spare=0.25)
        print(f'{size:5} zip of PNG, {args.threads} threads: a consumer of {1000 * step:.0f} ms a step waits '
              f'{100 * share:.2f} % of the time', flush=True)


if __name__ == '__main__':
    main()
