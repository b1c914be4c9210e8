"""Damages datasets at random and reads them: an error naming the file or a skip, never a crash, hang or wrong picture.

Each case takes a good dataset (TFRecords, zip, pictures of every format, label files), changes some bytes of one of
its files, and reads it thrice: stopping at the first bad image, skipping bad images, and by `dataset_tool.py check`.
The same seed gives the same cases. They run in a process of their own, whose death or silence is noticed, with 4 GiB of
memory.

    python benchmarks/fuzz_data.py --count=6000
"""

import argparse
import collections
import io
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile

import numpy as np
from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from dnnlib.util import UserError  # noqa: E402  (found only after the line above)
from training.data import tfrecords  # noqa: E402
from training.data.making import check as dataset_check  # noqa: E402
from training.data.making.boxes import read_boxes  # noqa: E402
from training.data.making.writer import TFRecordExporter  # noqa: E402
from training.dataset import load_dataset  # noqa: E402

NUM_IMAGES, SIZE = 5, 16
FORMATS = {'png': 'PNG', 'jpg': 'JPEG', 'gif': 'GIF', 'bmp': 'BMP', 'webp': 'WEBP', 'tif': 'TIFF', 'ppm': 'PPM'}
KINDS = ('records', 'hostile records', 'labels', 'zip') + tuple(FORMATS) + ('dataset.json', 'classes.json', 'boxes.csv')
HAVE_CHECKSUMS = ('records', 'zip', 'png')  # a changed picture is noticed; elsewhere nothing can tell
SILENCE_SECONDS, MEMORY_BYTES = 30, 4 * 2 ** 30
BAD_OUTCOMES = ('WRONG PICTURE', 'OTHER ERROR', 'NO FILE NAMED', 'CRASH', 'HANG')
TOKENS = (b'null', b'-1', b'1e999', b'NaN', b'"x"', b'[]', b'{}', b'9' * 30, b'true', b'[' * 2000, b'\xff', b',', b':')


def pictures():
    """The images of all datasets: uint8 [NUM_IMAGES, 3, SIZE, SIZE]."""
    return np.random.RandomState(0).randint(256, size=[NUM_IMAGES, 3, SIZE, SIZE]).astype(np.uint8)


def make_data_set(kind, folder):
    """Writes a good dataset of a kind.

    Args:
        kind: One of KINDS.
        folder: New folder.
    Returns: (path of the dataset, the files of it that may be damaged).
    """
    images = pictures()
    os.makedirs(folder)
    if kind in ('records', 'hostile records', 'labels', 'classes.json'):
        path = os.path.join(folder, 'x')
        with TFRecordExporter(path, len(images)) as exporter:
            for image in images:
                exporter.add_image(image)
            exporter.add_labels(np.eye(NUM_IMAGES))
        with open(os.path.join(path, 'classes.json'), 'w') as file:
            json.dump(list('abcde'), file)
        ends = {'labels': '.labels', 'classes.json': 'classes.json'}.get(kind, '.tfrecords')
        return path, [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(ends)]
    extension = kind if kind in FORMATS else 'png'
    files = {f'{i}.{extension}': encode(image, FORMATS[extension]) for i, image in enumerate(images)}
    if kind in ('zip', 'dataset.json'):
        files['dataset.json'] = json.dumps({'labels': [[name, i] for i, name in enumerate(sorted(files))]}).encode()
    if kind == 'boxes.csv':
        rows = [b'%d.png,1,2,%d,9' % (i, 3 + i) for i in range(9)]
        files = {'boxes.csv': b'\n'.join([b'file,x,y,width,height'] + rows)}
    if kind == 'zip':
        path = os.path.join(folder, 'x.zip')
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content)
        return path, [path]
    for name, content in files.items():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(content)
    damaged = [kind] if kind in files else sorted(set(files) - {'dataset.json'})
    return folder, [os.path.join(folder, name) for name in damaged]


def encode(image, file_format):
    """A picture uint8 [3, H, W] as the bytes of a file."""
    file = io.BytesIO()
    options = {'JPEG': dict(quality=95, progressive=bool(image[0, 0, 0] % 2)), 'WEBP': dict(lossless=True)}
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.save(file, file_format, **options.get(file_format, {}))
    return file.getvalue()


def mutate(data, rnd, is_text):
    """Changes bytes at random in one to three ways; returns bytes that differ from `data`."""
    changed = data
    while changed == data:
        changed = bytearray(data)
        for _ in range(rnd.randint(1, 4)):
            size = len(changed)
            at = rnd.randint(max(min(64, size), 1)) if rnd.rand() < 0.4 else rnd.randint(max(size, 1))
            end = at + int(2 ** rnd.uniform(0, 8))
            way = rnd.randint(10 if is_text else 8)
            if way == 0 and size:
                changed[at] ^= 1 << rnd.randint(8)
            elif way == 1 and size:
                changed[at] = rnd.choice([0, 255, 127, 128, rnd.randint(256)])
            elif way == 2:
                del changed[at:size if rnd.rand() < 0.5 else end]
            elif way == 3:
                changed[at:at] = changed[at:end]
            elif way == 4:
                changed[at:end] = bytes(len(changed[at:end]))
            elif way == 5:
                number = int(rnd.choice([0, 1, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1]))
                changed[at:at + 4] = number.to_bytes(4, 'little' if rnd.rand() < 0.5 else 'big')
            elif way == 6:
                changed[at:at] = rnd.bytes(rnd.randint(1, 20))
            elif way == 7:
                other = rnd.randint(max(size, 1))
                changed[at:end] = changed[other:other + end - at]
            else:
                changed[at:at + rnd.randint(4)] = TOKENS[rnd.randint(len(TOKENS))]
        changed = bytes(changed)
    return changed


def mutate_payload(data, rnd):
    """Changes the payload of one record of a TFRecord file and gives it a right checksum."""
    length = int.from_bytes(data[:8], 'little')
    index = rnd.randint(NUM_IMAGES)
    begin = index * (length + tfrecords.FRAME_BYTES)
    payload = data[begin + 12:begin + 12 + length]
    front = mutate(payload[:48], rnd, False) if rnd.rand() < 0.7 else payload[:48]
    record = tfrecords.frame_record(mutate(front + payload[48:], rnd, False))
    return data[:begin] + record + data[begin + length + tfrecords.FRAME_BYTES:]


def read_all(kind, path, options):
    """Reads all that there is; returns the pictures by number and level of detail, and the labels."""
    if kind == 'boxes.csv':
        return {}, read_boxes(os.path.join(path, kind))
    with load_dataset(tfrecord_dir=path, max_label_size='any', shuffle_mb=0, **options) as data:
        found = {}
        for lod in range(data.resolution_log2 - 1):
            images, labels = data.get_minibatch_np(data.num_images, lod)
            data.seek(0)
            found.update({(i, lod): image for i, image in enumerate(images)})
        return found, labels.tolist()


def outcome(kind, path, damaged, good, options):
    """What reading comes to: a text, one of BAD_OUTCOMES if it must not be."""
    good_images, good_labels = good
    try:
        found, labels = read_all(kind, path, options)
    except UserError as error:
        names = {os.path.basename(name) for name in damaged} | {path}
        return 'error' if any(name in str(error) for name in names) else 'NO FILE NAMED: ' + str(error)
    except OSError as error:
        return 'error' if error.filename else 'OTHER ERROR: ' + repr(error)
    except Exception as error:  # pylint: disable=broad-except  # that is what is looked for
        return 'OTHER ERROR: ' + repr(error)
    skips = options.get('bad') == 'skip' or kind == 'zip'  # a zip has no checksum of its names: they may be other ones
    allowed = {image.tobytes() for image in good_images.values()}
    for key, image in found.items():
        right = image.tobytes() in allowed if skips else np.array_equal(image, good_images.get(key))
        if not right:
            return f'WRONG PICTURE {key}' if kind in HAVE_CHECKSUMS else 'changed'
    if len(found) < len(good_images):
        return 'fewer'
    return 'unchanged' if labels == good_labels else 'other labels'


def run_case(kind, seed, index, folder):
    """One case: returns its outcomes by way of reading, list of text."""
    rnd = np.random.RandomState([seed, index])
    path, files = make_data_set(kind, folder)
    as_they_are = kind in ('records', 'hostile records', 'labels', 'classes.json') or kind != 'gif' and rnd.rand() < 0.5
    options = {} if as_they_are else {'resolution': SIZE}
    good = read_all(kind, path, options)
    damaged = files[rnd.randint(len(files))]
    with open(damaged, 'rb') as file:
        data = file.read()
    is_text = kind.endswith(('.json', '.csv'))
    with open(damaged, 'wb') as file:
        file.write(mutate_payload(data, rnd) if kind == 'hostile records' else mutate(data, rnd, is_text))
    found = [outcome(kind, path, files, good, options)]
    if kind == 'boxes.csv':
        return found
    found.append(outcome(kind, path, files, good, dict(options, bad='skip')))
    try:
        num_findings = len(dataset_check.check(path, workers=1)[1])
        found.append('found' if num_findings else 'not found')
    except (UserError, OSError):
        found.append('refused')
    except Exception as error:  # pylint: disable=broad-except
        found.append('OTHER ERROR: ' + repr(error))
    return found


def work(seed, first, count):
    """Runs cases and prints `number kind outcomes` of each as JSON."""
    try:
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except ImportError:  # not on Windows
        pass
    warnings.simplefilter('ignore')
    out, sys.stdout = sys.stdout, io.StringIO()  # what is skipped is told there
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, count):
            kind = KINDS[index % len(KINDS)]
            case = os.path.join(folder, str(index))
            out.write(json.dumps([index, kind, run_case(kind, seed, index, case)]) + '\n')
            out.flush()
            shutil.rmtree(case)


def supervise(seed, count):
    """Yields [number, kind, outcomes] of every case, those that a process did not survive included."""
    first = 0
    while first < count:
        process = subprocess.Popen([sys.executable, os.path.abspath(__file__), f'--seed={seed}', '--work',
                                    f'--first={first}', f'--count={count}'], stdout=subprocess.PIPE)
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(line) for line in process.stdout] + [lines.put(b'')],
                         daemon=True).start()
        try:
            for line in iter(lambda: lines.get(timeout=SILENCE_SECONDS), b''):
                result = json.loads(line.decode())
                first = result[0] + 1
                yield result
            process.wait()
            problem = f'CRASH with exit code {process.returncode}'
        except queue.Empty:
            problem = 'HANG'
        finally:
            process.kill()
            process.wait()
        if first < count:
            yield [first, KINDS[first % len(KINDS)], [problem]]
            first += 1


def main(argv):
    """Prints a table of outcomes; returns 1 if there is one that must not be."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--count', type=int, default=6000, help='number of cases (default: %(default)s)')
    p.add_argument('--seed', type=int, default=1, help='(default: %(default)s)')
    p.add_argument('--work', action='store_true', help=argparse.SUPPRESS)
    p.add_argument('--first', type=int, default=0, help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    if args.work:
        work(args.seed, args.first, args.count)
        return 0
    begin, bad = time.time(), []
    counts = {kind: collections.Counter() for kind in KINDS}
    for index, kind, outcomes in supervise(args.seed, args.count):
        for way, text in zip(('stop', 'skip', 'check'), outcomes):
            counts[kind][way + ': ' + text.split(':')[0]] += 1
            if text.startswith(BAD_OUTCOMES):
                bad.append(f'case {index} ({kind}, {way}): {text}')
    for kind in KINDS:
        print('{:15} {:5} cases  {}'.format(kind, -(-(args.count - KINDS.index(kind)) // len(KINDS)), ', '.join(
            '{} {}'.format(text, number) for text, number in sorted(counts[kind].items()))))
    print('{} cases, {} read, {} that must not be, {:.0f} s'.format(
        args.count, sum(sum(counter.values()) for counter in counts.values()), len(bad), time.time() - begin))
    print('\n'.join(bad[:50]))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
