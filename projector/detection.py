"""The commands `calibrate` and `detect`: was a picture made by this network?"""

import os
from typing import NamedTuple

import numpy as np

from dnnlib.util import UserError
from generator.options import DEMO, ranges
from projector import align, calibration, inputs, perturb, plots, report, results, statistics
from projector.calibration import GENERATED, NOT, RELATED, Calibration, Conditions, Content, Measured
from projector.commands import batches, find_usable
from projector.reals import Reals
from projector.session import Session

CALIBRATION_FILE = 'calibration.json'


class CalibrationOptions(NamedTuple):
    """Which pictures a calibration is made of, and what it is asked for."""

    seeds: list  # of the generated pictures
    truncation_psi: float  # of these
    reals: list  # paths of real pictures, or ['cats'] = the held-out ones
    num_reals: int  # the first so many; None = as many as seeds
    fit: str  # see `inputs.fit_picture`
    align: str  # 'ffhq' = turn and crop faces, None = no
    changes: str  # made to every picture, see `perturb.parse`
    robustness: int  # pictures of each class for the table of changed pictures, 0 = no table
    error_rates: list  # for which thresholds are given


def calibrate(submit_config, network_pkl, options, settings, tf_config):
    """Measures the distances of generated and real pictures; writes `calibration.json`, plot, tables, contact sheets.

    In a run directory that has results of this command already, measured pictures are skipped.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`; unreadable pictures to `bad_pictures`.
        network_pkl: pretrained.NetworkFile.
        options: CalibrationOptions.
        settings: session.Settings.
        tf_config: Dictionary of settings of `tflib.init_tf`.
    Raises: UserError if too few real pictures can be used.
    """
    reals = Reals(submit_config, options)
    session = Session(network_pkl, settings, tf_config)
    session.prepare(len(options.seeds) + reals.count, masked=options.fit == 'pad')
    meter = _Meter(submit_config.run_dir, session)
    classes = dict(generated=_generated(session, options), real=reals.load(session.shape))
    first = {kind: items[:options.robustness] for kind, items in classes.items()}
    changes = perturb.ROBUSTNESS if options.robustness else ()
    session.expect(len(meter.todo(classes)) + sum(len(meter.todo(first, change)) for change in changes))
    rows = meter.measure(classes, options.changes)
    table = []
    made = Calibration(_content(session, options, rows, reals, table))
    for change in changes:
        table.append(_robustness_row(meter, made, first, options.changes, change))
    made = Calibration(_content(session, options, rows, reals, table))
    path = os.path.join(submit_config.run_dir, CALIBRATION_FILE)
    made.save(path)
    for kind in classes:
        meter.save_sheet(kind, os.path.join(submit_config.run_dir, kind + '.png'))
    lines = [(f"generated: {100 * row['error_rate']:g}% error", row['generated_up_to'])
             for row in made.thresholds()[:2]]
    results.save_picture(inputs.to_array(plots.calibration_plot(
        made.generated, made.reals, lines, os.path.basename(network_pkl.name))), os.path.join(
            submit_config.run_dir, 'calibration.png'))
    print(report.summary(made))
    results.mark_complete(submit_config.run_dir, f'calibration written to {path}')


def detect(submit_config, network_pkl, paths, calibrations, error_rate, given, tf_config):
    """Judges pictures by calibrations; writes `detections.csv`, `detections.jsonl`, triples and `report.txt`.

    Args:
        submit_config: SubmitConfig; the files go to its `run_dir`; unreadable pictures to `bad_pictures`.
        network_pkl: pretrained.NetworkFile in place of the calibration's; None = the calibration's.
        paths: Image files, folders and zips.
        calibrations: List of calibration files.
        error_rate: Share of wrong verdicts that is accepted, of each class.
        given: session.Settings that the user asks for, None for what the calibration says.
        tf_config: Dictionary of settings of `tflib.init_tf`.
    Raises: UserError if a calibration doesn't fit the settings, the network, or the error rate.
    """
    loaded, networks = load_calibrations(calibrations, network_pkl, error_rate, given)
    aligner = _aligner(any(item.conditions.align for item in loaded))
    pictures = find_usable(submit_config, paths, aligner)
    judged = []
    for number, (item, network) in enumerate(zip(loaded, networks)):
        settings = item.conditions.settings._replace(minibatch=given.minibatch)
        session = Session(network, settings, tf_config)
        rows = _measure_all(submit_config.run_dir, pictures, item, number if len(loaded) > 1 else None, session)
        judged.append({row['picture']: (row, item.judge(row['distance'], error_rate, row['fine_error']))
                       for row in rows})
    report.write(submit_config.run_dir, pictures, loaded, judged, error_rate)
    results.mark_complete(submit_config.run_dir, f'{len(pictures)} pictures judged')


def load_calibrations(paths, network_pkl, error_rate, given):
    """The calibrations of `detect` and their networks, which are not loaded.

    Args:
        paths, network_pkl, error_rate, given: See `detect`.
    Returns: (list of Calibration, list of pretrained.NetworkFile).
    Raises: UserError if one isn't a calibration, doesn't fit the settings or the error rate, or its network is gone.
    """
    if given.space not in (None, 'w'):
        raise UserError(calibration.NO_W_PLUS)
    loaded = [Calibration.load(path) for path in paths]
    for item in loaded:
        item.check_settings(given)
        item.check_error_rate(error_rate)
    if network_pkl is not None and len(loaded) > 1:
        raise UserError('--network takes a single --calibration; several ones name their own networks')
    return loaded, [item.find_network() if network_pkl is None else network_pkl for item in loaded]


def _aligner(wanted):
    return align.FaceAligner() if wanted else None


def _generated(session, options):
    """List of (key, Fitted) of the seeds, in 8 bits like the files of run_generator.py."""
    full = np.ones([1] + session.shape[1:], np.float32)
    return [(f'seed{seed:04d}', inputs.Fitted(
        inputs.to_pixels(session.generate([seed], options.truncation_psi)[0]), full)) for seed in options.seeds]


class _Meter:
    """Projects pictures and keeps their distances in `distances.csv` and `.jsonl`, and the images for the sheets."""

    def __init__(self, folder, session):
        self._folder, self._session = folder, session
        self._table = _distances(folder, 'distances')
        self._table.rows = [row for row in self._table.rows if row.get('network_hash') == session.network_hash]

    def measure(self, classes, changes, changed=''):
        """Distances and fine errors after changes; what is in the table isn't measured again.

        Args:
            classes: Dictionary: kind to list of (key, Fitted).
            changes, changed: See `perturb.parse`; one is made after the other.
        Returns: Dictionary: kind to list of rows, dictionaries with `distance` and `fine_error`.
        """
        count, todo = sum(map(len, classes.values())), self.todo(classes, changed)
        done = count - len(todo)
        for batch in batches(todo, self._session.minibatch):
            pixels = np.stack([perturb.apply(perturb.apply(item.pixels, changes), changed) for _, _, item in batch])
            masks = np.stack([item.mask for _, _, item in batch]) if self._session.projector.masked else None
            found = self._session.project(inputs.to_target(pixels), changed or batch[0][1], masks)
            images = [inputs.to_pixels(item.image) for item in found]
            self._table.add([dict(kind=kind, picture=key, change=changed,
                                  distance=calibration.compared_distance(item.distance, fitted.mask),
                                  fine_error=calibration.fine_error(target, image, fitted.mask),
                                  start_distance=round(item.start_distance, 6), steps=item.steps,
                                  network_hash=self._session.network_hash)
                             for (kind, key, fitted), target, image, item in zip(batch, pixels, images, found)])
            for (kind, key, _), target, image in zip(batch, pixels, images):
                self._save(kind, key, changed, target, image)
            done += len(batch)
            distances = [item.distance for item in found]
            print(f"{changed and changed + ': '}{done} of {count} pictures measured, distances "
                  f'{min(distances):.4f} to {max(distances):.4f}{self._session.pace.left()}')
        return {kind: [self._find(kind, key, changed) for key, _ in pairs] for kind, pairs in classes.items()}

    def todo(self, classes, changed=''):
        """What `measure` will have to project: list of (kind, key, Fitted)."""
        return [(kind, key, item) for kind, pairs in classes.items() for key, item in pairs
                if self._find(kind, key, changed) is None]

    def _find(self, kind, key, changed):
        return self._table.find(kind=kind, picture=key, change=changed)

    def _save(self, kind, key, changed, target, image):
        if not changed:
            folder = os.path.join(self._folder, kind)
            os.makedirs(folder, exist_ok=True)
            results.save_picture(results.triple(target, image), os.path.join(folder, key + '.png'))

    def save_sheet(self, kind, path):
        """Contact sheet of the triples of one kind with their distances."""
        rows = [row for row in self._table.rows if row['kind'] == kind and not row['change']]
        entries = []
        for row in rows[:results.SHEET_PICTURES]:
            file = os.path.join(self._folder, kind, row['picture'] + '.png')
            image = inputs.read_picture(inputs.Picture('', file, None, file)).convert('RGB')
            entries.append((f"{row['distance']:.4f} {row['picture']}", [inputs.to_array(image)]))
        results.save_sheet(entries, path)


def _content(session, options, rows, reals, robustness):
    """Content of the file: `rows` as by `_Meter.measure`, `robustness` is a list of `_robustness_row`."""
    distances, fine_errors = [{kind: [row[key] for row in found] for kind, found in rows.items()}
                              for key in ('distance', 'fine_error')]
    network, seeds = session.network_pkl, f'seeds {ranges(options.seeds)}, truncation {options.truncation_psi}'
    is_path = network.folder is not None and network != DEMO
    return Content(
        os.path.abspath(network.path) if is_path else network.name, session.network_hash,
        Conditions(session.settings._replace(minibatch=None), options.fit, options.align),
        Measured(distances['generated'], fine_errors['generated'], seeds),
        Measured(distances['real'], fine_errors['real'], reals.source),
        options.changes, options.error_rates, robustness)


def _robustness_row(meter, made, classes, changes, change):
    """How well changed pictures are told apart, and what verdicts they get by the calibration of unchanged ones."""
    rows = meter.measure(classes, changes, change)
    distances = {kind: [row['distance'] for row in found] for kind, found in rows.items()}
    rate = max(0.05, made.smallest_error_rate())
    row = dict(change=change, generated=len(distances['generated']), real=len(distances['real']),
               auc=statistics.auc(distances['generated'], distances['real']),
               auc_interval=list(statistics.auc_interval(distances['generated'], distances['real'])), error_rate=rate)
    for kind, found in rows.items():
        verdicts = [made.judge(item['distance'], rate, item['fine_error']).verdict for item in found]
        for verdict, name in ((GENERATED, 'generated'), (RELATED, 'related'), (NOT, 'not')):
            row[f'{kind}_called_{name}'] = verdicts.count(verdict) / len(verdicts)
    return row


def _measure_all(folder, pictures, made, number, session):
    """Projects all pictures by the settings of a calibration; returns rows with `picture`, `distance`, `fine_error`.

    Args:
        folder: Where tables and pictures go.
        pictures: List of inputs.Picture.
        made: Calibration.
        number: Which of several calibrations, for the names of files; None = the only one.
        session: Session of the network that the calibration is for.
    """
    made.check_network(session.network_hash, session.network_pkl.name)
    session.prepare(len(pictures), masked=made.conditions.fit == 'pad')
    aligner = _aligner(made.conditions.align)
    name = f'network{number}' if number is not None else 'triple'
    table = _distances(folder, 'distances' if number is None else 'distances-' + name)
    table.rows = [row for row in table.rows if row.get('measured_with') == made.measured_with()]  # the file may be new
    todo = [picture for picture in pictures if table.find(picture=picture.key) is None]
    session.expect(len(todo))
    for batch in batches(todo, session.minibatch):
        fitted = [inputs.read_fitted(picture, session.shape, made.conditions.fit, aligner) for picture in batch]
        masks = np.stack([item.mask for item in fitted]) if session.projector.masked else None
        found = session.project(inputs.to_target(np.stack([item.pixels for item in fitted])), batch[0].key, masks)
        images = [inputs.to_pixels(projection.image) for projection in found]
        for picture, item, image in zip(batch, fitted, images):
            results.save_picture(results.triple(item.pixels, image),
                                 os.path.join(folder, f'{picture.key}-{name}.png'))
        table.add([dict(picture=picture.key, distance=calibration.compared_distance(projection.distance, item.mask),
                        fine_error=calibration.fine_error(item.pixels, image, item.mask),
                        network_hash=made.network_hash, measured_with=made.measured_with())
                   for picture, item, image, projection in zip(batch, fitted, images, found)])
        print(f'{len(table.rows)} of {len(pictures)} pictures measured{session.pace.left()}')
    return table.rows


def _distances(folder, name):
    """Table of what was measured before an interruption."""
    table = results.Table(folder, name)
    table.rows = [row for row in table.rows if 'fine_error' in row]  # older versions did not measure it
    return table
