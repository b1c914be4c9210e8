"""Checks a TFRecord dataset: every record of every level of detail, and the labels."""

import glob
import hashlib
import os

import numpy as np

from dnnlib.util import UserError
from training import image_size
from training.data.levels import box_downscale
from training.data.classes import CLASSES_FILE, load_names
from training.data.images import MAX_PIXELS, MODES
from training.data.labels import load_labels
from training.data.making.findings import compare, Facts, Finding, Report
from training.data.sources import beside_records, not_taken_lines, ordered_map
from training.data.tfrecords import RecordFile, stems


def check_records(path, workers, progress):
    """Reads every record of every file of a TFRecord dataset, and its labels; see `check.check`."""
    findings, files = [], []  # files: the largest images first
    for file_path in sorted(glob.glob(os.path.join(glob.escape(path), '*.tfrecords'))):
        try:
            files.append(RecordFile(file_path, skip_bad=True))
            if len(files[-1]) and files[-1].cut is not None:
                findings.append(Finding(os.path.basename(file_path), 'truncated', _reason(files[-1].cut, file_path)))
        except UserError as error:
            findings.append(Finding(os.path.basename(file_path), getattr(error, 'kind', 'corrupt'),
                                    _reason(error, file_path)))
    files.sort(key=lambda file: -file.first.shape[1])
    num_images = max([len(file) for file in files] or [0])
    findings += _check_levels(files, num_images)
    facts = []
    for _, of_levels in zip(progress(range(num_images)), ordered_map(
            lambda index: _look_at(files, index), range(num_images), workers)):
        facts.append(of_levels)
    shared = compare([of_levels[0] for of_levels in facts])
    for file in files:
        file.close()
    for level in range(len(files)):
        findings += [finding for of_levels in facts for finding in of_levels[level].findings]
    label_file, text, about_labels = _check_labels(path, num_images)
    return Report(num_images, findings + shared + about_labels,
                  tuple(not_taken_lines(beside_records(path, label_file))) + ('Labels: ' + text,), len(files))


def _check_levels(files, num_images):
    """Does every file have the same number of images, and is there one of every size, or only of the largest?"""
    for file in files:
        name = os.path.basename(file.path)
        if len(file) != num_images:
            yield Finding(name, 'truncated', f'only {len(file)} of {num_images} images')
    mixed = stems(file.path for file in files)
    if len(mixed) > 1:
        yield Finding(os.path.basename(files[0].path), 'levels', f"files of {' and '.join(mixed)} in one folder")
    sizes = [list(file.first.shape[1:]) for file in files]
    full = image_size.find(*sizes[0]) if sizes else None
    for level in range(2, full.num_levels + 1) if full else ():
        if sizes.count(full.at(level)) > 1 or full.at(level) not in sizes and len(sizes) > sizes.count(sizes[0]):
            yield Finding(os.path.basename(files[0].path), 'levels', '{} files of {}x{} px images'.format(
                sizes.count(full.at(level)) or 'no', *full.at(level)))


def _look_at(files, index):
    """Facts of one image at every level; only those of the largest are compared with other images."""
    found, full = [], None
    for level, file in enumerate(files):
        name = f'{os.path.basename(file.path)} record {index}'
        try:
            image = file.read(index) if index < len(file) else None
        except UserError as error:
            found.append(Facts(name, None, None, None, [
                Finding(name, getattr(error, 'kind', 'corrupt'), _reason(error, file.path))]))
            continue
        findings = []
        if image is not None:
            findings = [Finding(name, kind, detail) for kind, detail in _peculiarities(image, file.first.shape, full)]
        if level or image is None:
            found.append(Facts(name, None, None, None, findings))
            continue
        full = image
        mode = MODES.get(image.shape[0], f'{image.shape[0]} channels')
        digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        found.append(Facts(name, mode, (image.shape[2], image.shape[1]), digest, findings))
    return found


def _peculiarities(image, usual_shape, full):
    """(kind, detail) of an image, given the usual shape in its file and, for a coarse level, the full resolution."""
    channels, height, width = image.shape
    if height * width > MAX_PIXELS:
        yield 'over 100 MP', f'{width}x{height}'
    if full is None:
        if channels == 4:
            yield 'alpha', '4 channels'
        return  # the rest needs a comparison
    if image.shape != usual_shape:
        yield 'size', f'shape {list(image.shape)} instead of {list(usual_shape)}'
        return
    lod = (full.shape[1] // max(height, 1)).bit_length() - 1
    if full.shape == (channels, height << lod, width << lod):
        difference = np.abs(np.int16(box_downscale(full, lod)) - image).max()
        if difference > 1:  # other programs may round differently
            yield 'levels', f'differs from the downscaled full resolution by up to {difference}'


def _check_labels(path, num_images):
    """(the label file, a line about it, list of Finding)."""
    findings, texts, label_paths = [], [], sorted(glob.glob(os.path.join(glob.escape(path), '*.labels')))
    for label_path in label_paths:
        name = os.path.basename(label_path)
        try:
            labels = load_labels(label_path, num_images)
            texts.append(f'{labels.text(load_names(path, labels.label_size))}, from {name}')
        except UserError as error:
            wrong_names = CLASSES_FILE in str(error)
            texts.append(f'none; {CLASSES_FILE if wrong_names else name} is invalid')
            findings.append(Finding(CLASSES_FILE if wrong_names else name, 'labels',
                                    _reason(error, os.path.join(path, CLASSES_FILE) if wrong_names else label_path)))
    return (label_paths + [None])[0], (texts + ['none; there is no *.labels file'])[0], findings


def _reason(error, path):
    """Text of an error without the file name and the advice."""
    return str(error).replace(path + ': ', '').split(';')[0]
