"""What becomes of images on their way from the dataset to the training: random crops, color jitter, noise on reals.

What is drawn is a function of seeds that the caller makes of the place in the training, not of what was drawn before.
"""

import numpy as np
from PIL import Image, ImageEnhance

from dnnlib.util import UserError
from training import image_size
from training.data.levels import box_downscale

LEAKS = ('Color jitter changes only the reals, so the generator learns to draw the changed colors: it leaks, unlike '
         '--aug, which changes what D sees of both')
ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
LEVELS_PER_UNIT = 127.5  # of 8 bits, in the range [-1, 1] of the networks
MAX_HUE = 0.5  # turns as far as the opposite color


def check(shape, crop, jitter, noise):
    """Checks the options of a Dataset that concern this module.

    Args:
        shape: [C, H, W] of the images as they are stored.
        crop: Size of the crops, see `image_size.parse`; `None` = no crops.
        jitter: (brightness, contrast, saturation, hue), see `draw_jitter`; `None` = none.
        noise: Largest number that is added to reals in [-1, 1].
    Returns: [C, H, W] of the images that the training sees.
    Raises: UserError.
    """
    if jitter is not None:
        amounts = list(jitter) if isinstance(jitter, (list, tuple)) else []
        if len(amounts) != 4 or not all(is_amount(amount) for amount in amounts) or amounts[3] > MAX_HUE:
            raise UserError('dataset.jitter must be 4 numbers of at least 0, of brightness, contrast, saturation and '
                            f'hue (at most {MAX_HUE:g}), such as 0.2,0.2,0.2,0.05, not {jitter!r}')
        if shape[0] != 3:
            raise UserError(f'dataset.jitter changes colors, but the images have {shape[0]} '
                            f'channel{"s" * (shape[0] > 1)} instead of 3')
    if not is_amount(noise):
        raise UserError(f'dataset.noise must be a number of at least 0, such as 0.0078125, not {noise!r}')
    if crop is None:
        return shape
    cropped = [shape[0]] + image_size.parse(crop).shape
    if any(side > whole for side, whole in zip(cropped, shape)):
        raise UserError(f'dataset.crop={crop}: the stored images are smaller, {shape[1]}x{shape[2]} pixels; choose at '
                        'most their size')
    return cropped


def is_amount(value):
    """Is it a finite number of at least 0?"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float('inf')


def cut(image, shape, place, lod):
    """A crop of an image, at a level of detail.

    Args:
        image: uint8 [C, H, W], full resolution.
        shape: [C, h, w] of the crop, at full resolution.
        place: RandomState that draws where it is, each place with the same probability; `None` = the center.
        lod: Level of detail, int.
    Returns: uint8 [C, h / 2^lod, w / 2^lod].
    """
    rooms = [whole - side for whole, side in zip(image.shape[1:], shape[1:])]
    top, left = (room // 2 if place is None else place.randint(room + 1) for room in rooms)
    return box_downscale(image[:, top:top + shape[1], left:left + shape[2]], lod)


def draw_jitter(image, amounts, rnd):
    """Changes the colors of an image at random, in a random order.

    Args:
        image: uint8 [3, H, W].
        amounts: (brightness, contrast, saturation, hue): the factors of the first three are uniform from max(0, 1 - k)
            to 1 + k; hues turn by up to k of a whole turn in either direction. 0 = no change.
        rnd: RandomState.
    Returns: uint8 [3, H, W].
    """
    order, shares = rnd.permutation(4), rnd.random_sample(4)
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    for kind in order:
        amount, share = amounts[kind], shares[kind]
        if amount and kind < 3:
            low = max(0.0, 1.0 - amount)
            picture = ENHANCERS[kind](picture).enhance(low + (1 + amount - low) * share)
        elif amount:
            picture = turn_hue(picture, amount * (2 * share - 1))
    return np.asarray(picture).transpose(2, 0, 1)


def turn_hue(picture, turn):
    """A PIL.Image of mode RGB with its hues turned by int(255 turn) in the 8 bits of HSV; 1 is the whole circle."""
    hue, saturation, value = picture.convert('HSV').split()
    turned = (np.asarray(hue, np.int32) + int(255 * turn)) % 256
    return Image.merge('HSV', (Image.fromarray(turned.astype(np.uint8)), saturation, value)).convert('RGB')


def add_noise(image, amount, rnd):
    """Adds uniform noise, 0 to below `amount` where images are in [-1, 1] (Gulrajani et al. 2017, code: 1/128).

    Args:
        image: uint8 [C, H, W].
        amount: Number.
        rnd: RandomState.
    Returns: float32 [C, H, W], from 0 to above 255.
    """
    return image + np.float32(amount * LEVELS_PER_UNIT) * rnd.random_sample(image.shape).astype(np.float32)
