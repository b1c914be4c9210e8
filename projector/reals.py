"""The real pictures of a calibration, and whether there are enough: files, or the held-out cats."""

import math
import os

from PIL import Image

from dnnlib.util import UserError
from projector import align, calibration, inputs, perturb
from projector.commands import find_usable
from training.data import cats


def check(options, settings):
    """Checks what can be checked of a calibration without opening a picture; a line says which error rates it allows.

    Args:
        options: detection.CalibrationOptions.
        settings: session.Settings.
    Raises: UserError for W+, unusable changes, too few pictures.
    """
    if settings.space != 'w':
        raise UserError(calibration.NO_W_PLUS)
    perturb.parse(options.changes)
    found = cats.NUM_HELD_OUT if is_cats(options) else len(inputs.list_files(options.reals)[0])
    wanted = options.num_reals or len(options.seeds)
    if found < wanted and (options.num_reals or is_cats(options)):
        raise UserError(f"{wanted} real pictures are asked for, but {' '.join(options.reals)} has {found}; use "
                        f'--num-reals={found}, or fewer')
    check_count(options, min(found, wanted))
    best = 1 / (min(len(options.seeds), found, wanted) + 1)
    print(f'Calibration by {len(options.seeds)} generated and {min(found, wanted)} real pictures, which allow error '
          f'rates down to {100 * best:.3g}%')


def check_count(options, num_reals):
    """Raises UserError if no error rate that is asked for can be reached with so many real pictures."""
    rate = max(options.error_rates)
    least = max(calibration.MIN_PICTURES, math.ceil(1 / rate - 1 - 1e-9))
    if min(len(options.seeds), num_reals) < least:
        raise UserError(f'too few pictures: {len(options.seeds)} generated and {num_reals} real, but an error rate of '
                        f'{100 * rate:g}% takes at least {least} of each; use more, or higher --error-rates')


def is_cats(options):
    """Are the real pictures the held-out ones of the built-in dataset?"""
    return options.reals == ['cats'] and not os.path.exists('cats')


class Reals:
    """The real pictures of a calibration: files, or the held-out cats.

    Args:
        submit_config: SubmitConfig; messages about unusable pictures go to its `bad_pictures`.
        options: detection.CalibrationOptions.
    Attributes:
        count: Number of pictures.
        source: Which these are, for people.
    Raises: UserError if there are none, or too few can be used.
    """

    def __init__(self, submit_config, options):
        self._options, self._aligner = options, align.FaceAligner() if options.align else None
        self.count = options.num_reals or len(options.seeds)
        self.source, self._pictures = 'held-out cats', None
        if not is_cats(options):
            self._pictures = find_usable(submit_config, options.reals, self._aligner)[:self.count]
            self.count, self.source = len(self._pictures), ', '.join(options.reals)
        check_count(options, self.count)

    def load(self, shape):
        """List of (key, Fitted) at the size of a network, shape [C, H, W]."""
        if self._pictures is None:
            with cats.CatsDataset(resolution=shape[1], held_out=True, shuffle_mb=0) as dataset:
                pictures = [Image.fromarray(dataset.read(i).transpose(1, 2, 0)) for i in range(self.count)]
            return [(f'cat{i:05d}', inputs.fit_picture(picture, shape, self._options.fit))
                    for i, picture in enumerate(pictures)]
        return [(picture.key, inputs.read_fitted(picture, shape, self._options.fit, self._aligner))
                for picture in self._pictures]
