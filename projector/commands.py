"""The commands that project pictures: generated ones, those of a dataset, and one's own files."""

import os
import time
from typing import NamedTuple

import numpy as np

from dnnlib import images, util
from dnnlib.util import UserError
from generator import projections
from projector import align, inputs, results, schedule
from projector.recording import VideoObserver
from projector.session import Session
from training.data import skipped, sources
from training.data.files import SKIPPED_FILE

SHEET_ROWS = 16  # pictures on the contact sheet of snapshots, the first


class ImageOptions(NamedTuple):
    """What `project-images` does to pictures and writes of them."""

    fit: str  # see `inputs.fit_picture`
    align: str  # 'ffhq' = turn and crop faces, None = no
    mask: str  # picture file, None = compare everywhere
    start_dlatents: str  # npz or npy file of an earlier projection, None = begin where the preset says
    save_video: bool
    num_snapshots: int  # images written on the way


def project_generated_images(submit_config, network_pkl, seeds, truncation_psi, num_snapshots, settings, tf_config):
    """Projects generated images, which is the test of a projector: they have an exact answer.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named `seed%04d-...`.
        network_pkl: pretrained.NetworkFile.
        seeds: List of ints; latents and noise as in `run_generator.py generate-images`.
        truncation_psi: Truncation of all layers, 1 = none.
        num_snapshots: Images written on the way.
        settings: session.Settings.
        tf_config: Dictionary of settings of `tflib.init_tf`.
    """
    session = Session(network_pkl, settings, tf_config)
    session.prepare(len(seeds))
    files = _SnapshotFiles(submit_config.run_dir, session, num_snapshots)
    for batch in batches(seeds, session.minibatch):
        targets = session.generate(batch, truncation_psi)
        files.project(targets, ['seed{:04d}'.format(seed) for seed in batch],
                      ['seed {}'.format(seed) for seed in batch])


def project_real_images(submit_config, network_pkl, dataset, data_dir, num_images, num_snapshots, settings, tf_config):
    """Projects the first images of a dataset.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named `image%04d-...`.
        network_pkl: pretrained.NetworkFile.
        dataset: Name of the dataset in `data_dir`, of the network's resolution. The built-in `cats` are the held-out
            ones, which no training has seen, in the network's resolution.
        data_dir: Folder of the datasets; None = the working directory.
        num_images: Number of images.
        num_snapshots, settings, tf_config: As in `project_generated_images`.
    Raises: UserError if the dataset cannot be opened, has fewer images or another shape.
    """
    from training import dataset as datasets
    session = Session(network_pkl, settings, tf_config)
    options = dict(max_label_size=0, repeat=False, shuffle_mb=0)
    if dataset == 'cats' and (data_dir is None or not os.path.exists(os.path.join(data_dir, dataset))):
        options.update(resolution=session.shape[1], held_out=True)
    with datasets.load_dataset(data_dir=data_dir, tfrecord_dir=dataset, **options) as reals:
        sources.tell(reals)
        skipped.list_skipped(reals, os.path.join(submit_config.run_dir, SKIPPED_FILE))
        if reals.shape != session.shape:
            raise UserError(f'{dataset}: images of shape {reals.shape}, but the network makes {session.shape}; use '
                            'project-images, which crops and scales')
        if reals.num_images < num_images:
            raise UserError(f'--num-images={num_images}, but {dataset} has {reals.num_images} images')
        session.prepare(num_images)
        files = _SnapshotFiles(submit_config.run_dir, session, num_snapshots)
        for batch in batches(list(range(num_images)), session.minibatch):
            targets = inputs.to_target(np.stack([reals.read(index) for index in batch]))
            files.project(targets, ['image{:04d}'.format(index) for index in batch],
                          ['{} {}'.format(dataset, index) for index in batch])


def project_images(submit_config, network_pkl, paths, options, settings, tf_config):
    """Projects image files, and all images of folders and zips in sorted order.

    Unreadable pictures are listed and skipped; `submit_config.bad_pictures` then holds the messages. In a run directory
    that has results of this command already, finished pictures are skipped.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`, named by the pictures.
        network_pkl: pretrained.NetworkFile.
        paths: List of image files, folders and zips.
        options: ImageOptions.
        settings, tf_config: As in `project_generated_images`.
    Raises: UserError if there is no usable picture, mask, file of dlatents or landmark detector.
    """
    aligner = align.FaceAligner() if options.align else None
    pictures = find_usable(submit_config, paths, aligner)
    session = Session(network_pkl, settings, tf_config)
    run = _ImageRun(submit_config.run_dir, session, options, aligner)
    table = results.Table(submit_config.run_dir, 'results')
    table.rows = [row for row in table.rows if row.get('network_hash') == session.network_hash]  # the file may be new
    todo = [picture for picture in pictures if table.find(picture=picture.key) is None]
    if len(todo) < len(pictures):
        print(f'{len(pictures) - len(todo)} of {len(pictures)} pictures are done already')
    for batch in batches(todo, run.prepare(len(todo)) if todo else 1):
        table.add(run.project(batch))
        print(f'{len(table.rows)} of {len(pictures)} pictures done{session.pace.left()}')
    run.save_sheet(table.rows)
    results.mark_complete(submit_config.run_dir, '{} pictures projected, {} skipped'.format(
        len(table.rows), len(submit_config.bad_pictures)))


def find_usable(submit_config, paths, aligner):
    """Pictures at the paths that can be used; messages about the others are printed and put into `bad_pictures`.

    Whatever is not used is listed in `skipped.csv` in the run directory.
    """
    table = skipped.SkippedList(os.path.join(submit_config.run_dir, SKIPPED_FILE))
    pictures, submit_config.bad_pictures = inputs.check_pictures(inputs.find_pictures(paths, table), aligner, table)
    for message in submit_config.bad_pictures:
        print(f'Skipped {message}')
    return pictures


def batches(items, size):
    """Consecutive parts of a list with `size` items, the last one with the rest."""
    return [items[begin:begin + size] for begin in range(0, len(items), size)]


class _SnapshotFiles:
    """Files of the published commands: targets, snapshots, contact sheet, table of distances."""

    def __init__(self, folder, session, num_snapshots):
        self._folder, self._session = folder, session
        self._num_steps = session.settings.num_steps
        self._snapshot_steps = schedule.snapshot_steps(self._num_steps, num_snapshots)
        self._table, self._sheet = results.Table(folder, 'distances'), []

    def project(self, targets, names, sources):
        """Projects a minibatch [N, C, H, W], range [-1, 1]; writes the files `<name>-...` and the table."""
        strips = [results.SnapshotStrip(self._folder, *pair) for pair in zip(names, targets)]
        begin, noted = time.time(), [[] for _ in names]

        def observe(projector, restart):
            step = projector.get_cur_step()
            if restart == 0 and (step == 0 or step in self._snapshot_steps):
                seconds, distances = time.time() - begin, projector.get_distances()
                if step:
                    for strip, image in zip(strips, projector.get_images()):
                        strip.add(image, step)
                for rows, name, source, distance in zip(noted, names, sources, distances):
                    rows.append(dict(picture=name, source=source, step=step, distance=round(float(distance), 6),
                                     seconds=round(seconds, 2)))
                    self._print(rows[-1])

        self._session.project(targets, names[0], observers=[observe])
        if self._session.pace.left():
            print(f'{names[-1]} is done{self._session.pace.left()}')
        self._table.add([row for rows in noted for row in rows])
        self._save_sheet(strips)

    def _print(self, row):
        step, seconds = row['step'], row['seconds']
        text = '{}: step {:4d}/{}, distance {:.4f}'.format(row['picture'], step, self._num_steps, row['distance'])
        if step > 0:
            text += ', {:.1f} steps/s, eta {}'.format(
                step / max(seconds, 1e-3), util.format_time(seconds / step * (self._num_steps - step)))
        print(text)

    def _save_sheet(self, strips):
        """Adds rows, the target and its snapshots, to the contact sheet, which has at most SHEET_ROWS."""
        rows = [[results.as_rgb(image) for image in strip.shown] for strip in strips if len(strip.shown) > 1]
        room = SHEET_ROWS - len(self._sheet)
        self._sheet += rows[:max(room, 0)]
        if rows and room > 0:
            images.save_image_grid(np.concatenate(self._sheet), os.path.join(self._folder, 'grid.png'),
                                   drange=[0, 255], grid_size=(len(self._sheet[0]), len(self._sheet)))


class _ImageRun:
    """What `project-images` needs for its pictures."""

    def __init__(self, folder, session, options, aligner):
        self._folder, self._session, self._options, self._aligner = folder, session, options, aligner
        self._mask = None if options.mask is None else inputs.read_mask(options.mask, session.shape)
        self._dlatents = self._start_dlatents(options.start_dlatents)

    def _start_dlatents(self, path):
        """Dlatents to begin with, [1, 1 or layers, D], or None = the mean."""
        if path is None:
            return None
        dlatents = self._session.drawer.first(path)
        if self._session.settings.space == 'w+':
            return dlatents
        if not np.allclose(dlatents, dlatents[:, :1], atol=1e-5):
            raise UserError(f'{path}: its layers differ (space w+), so --space=w cannot begin there; use --space=w+')
        return dlatents[:, :1]

    def prepare(self, count):
        """Builds the projector for so many pictures; returns the number of those projected at once."""
        self._session.prepare(count, self._mask is not None or self._options.fit == 'pad', self._dlatents is not None)
        return self._session.minibatch

    def project(self, pictures):
        """Projects a minibatch of pictures and writes their files; returns their rows of the table."""
        shape, fit = self._session.shape, self._options.fit
        fitted = [inputs.read_fitted(picture, shape, fit, self._aligner) for picture in pictures]
        pixels = np.stack([item.pixels for item in fitted])
        masks = np.stack([item.mask if self._mask is None else item.mask * self._mask for item in fitted])
        keys = [picture.key for picture in pictures]
        observers, video = self._snapshots(keys), None
        if self._options.save_video:
            video = VideoObserver(self._folder, keys, pixels)
            observers.append(video)
        begin = time.time()
        masked = self._session.projector.masked
        found = self._session.project(inputs.to_target(pixels), keys[0], masks if masked else None,
                                      self._repeat(self._dlatents, len(keys)), observers)
        if video is not None:
            video.keep([projection.restart for projection in found])
        seconds = (time.time() - begin) / len(found)
        return [self._save(*result, seconds=seconds) for result in zip(pictures, fitted, masks, found)]

    @staticmethod
    def _repeat(dlatents, count):
        return None if dlatents is None else np.repeat(dlatents, count, axis=0)

    def _snapshots(self, keys):
        steps = schedule.snapshot_steps(self._session.settings.num_steps, self._options.num_snapshots)

        def observe(projector, restart):
            step = projector.get_cur_step()
            if restart == 0 and step in steps:
                for key, image in zip(keys, projector.get_images()):
                    results.save_picture(inputs.to_pixels(image), os.path.join(
                        self._folder, '{}-step{:04d}.png'.format(key, step)))
        return [observe] if steps else []

    def _save(self, picture, item, mask, projection, seconds):
        image = inputs.to_pixels(projection.image)
        results.save_triples(item.pixels, image, self._folder, picture.key)
        path = os.path.join(self._folder, picture.key + '.npz')
        projections.save(path, projection, self._session.network_hash, picture.file)
        settings = self._session.settings
        found = self._session.measure_all(inputs.to_target(item.pixels), inputs.to_target(image), mask)
        row = dict(picture=picture.key, file=picture.file, measure=settings.distance,
                   distance=round(projection.distance, 6), start_distance=round(projection.start_distance, 6))
        row.update((name.replace('-', '_'), value if value is None else round(value, 6))
                   for name, value in found.items())
        return dict(row, steps=projection.steps, seconds=round(seconds, 2), seed=settings.seed,
                    restart=projection.restart, space=settings.space, network=self._session.network_pkl.name,
                    network_hash=self._session.network_hash)

    def save_sheet(self, rows):
        """Writes the contact sheet `grid.png` of all pictures so far."""
        entries = []
        for row in rows[:results.SHEET_PICTURES]:
            parts = [inputs.read_picture(inputs.Picture('', path, None, path)) for path in (
                os.path.join(self._folder, '{}-{}.png'.format(row['picture'], kind))
                for kind in ('target', 'projection', 'difference'))]
            arrays = [inputs.fit_picture(part, [3] + self._session.shape[1:], 'stretch').pixels for part in parts]
            entries.append(('{:.4f} {}'.format(row['distance'], row['picture']), arrays))
        if entries:
            results.save_sheet(entries, os.path.join(self._folder, 'grid.png'))
