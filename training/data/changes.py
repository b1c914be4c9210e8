"""What becomes of images on their way to the training: random crops, moves, color jitter, noise on reals.

What is drawn is a function of seeds that the caller makes of the place in the training, not of what was drawn before.
"""

import math

import numpy as np
from PIL import Image, ImageEnhance

from dnnlib.util import UserError
from training import image_size
from training.data.levels import box_downscale

LEAKS = ('Color jitter changes only the reals, so the generator learns to draw the changed colors: it leaks, unlike '
         '--aug, which changes what D sees of both')
MOVES_LEAK = ('dataset.moves shifts, scales and turns only the reals, so the generator learns to draw moved pictures: '
              'it leaks, unlike --aug, which changes what D sees of both')
ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
LEVELS_PER_UNIT = 127.5  # of 8 bits, in the range [-1, 1] of the networks
MAX_HUE = 0.5  # turns as far as the opposite color
MAX_MOVES = (0.5, 0.5, 10, 180)


def check(shape, crop, jitter, noise, moves=None):
    """Checks the options of a Dataset that concern this module.

    Args:
        shape: [C, H, W] of the images as they are stored.
        crop: Size of the crops, see `image_size.parse`; `None` = no crops.
        jitter: (brightness, contrast, saturation, hue), see `draw_jitter`; `None` = none.
        noise: Largest number that is added to reals in [-1, 1].
        moves: (shift, shrinking, enlarging, turn), see `draw_move`; `None` = none.
    Returns: [C, H, W] of the images that the training sees.
    Raises: UserError.
    """
    if jitter is not None:
        if not are_amounts(jitter, (math.inf, math.inf, math.inf, MAX_HUE)):
            raise UserError('dataset.jitter must be 4 numbers of at least 0, of brightness, contrast, saturation and '
                            f'hue (at most {MAX_HUE:g}), such as 0.2,0.2,0.2,0.05, not {jitter!r}')
        if shape[0] != 3:
            raise UserError(f'dataset.jitter changes colors, but the images have {shape[0]} '
                            f'channel{"s" * (shape[0] > 1)} instead of 3')
    if moves is not None and not are_amounts(moves, MAX_MOVES):
        raise UserError('dataset.moves must be 4 numbers of at least 0: largest shift as a share of the sides, how '
                        'much smaller and larger pictures become, and degrees, such as 0.06,0.06,0.18,6 (at most '
                        f'{",".join(map("{:g}".format, MAX_MOVES))}), not {moves!r}')
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


def are_amounts(values, limits):
    """Are they as many numbers as there are limits, each from 0 to its limit?"""
    values = list(values) if isinstance(values, (list, tuple)) else []
    return len(values) == len(limits) and all(
        is_amount(value) and value <= limit for value, limit in zip(values, limits))


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


def flip(image):
    """Flips an image left to right in place; uint8 [C, H, W], contiguous."""
    if image.shape[2] % 8:
        image[:] = image[:, :, ::-1].copy()
        return
    words = image.view(np.uint64)  # which are reversed in a fraction of the time, and then in themselves
    words[:] = np.ascontiguousarray(words[:, :, ::-1]).byteswap(True)


def draw_move(image, amounts, rnd):
    """Shifts, scales and turns an image at random around its center; what moves in from outside is a reflection.

    Args:
        image: uint8 [C, H, W].
        amounts: (shift, shrinking, enlarging, turn), each drawn uniformly: shifts of up to this share of each side,
            sizes from 1 - shrinking to 1 + enlarging, angles of up to `turn` degrees. 0 = no change.
        rnd: RandomState.
    Returns: uint8 [C, H, W], by bilinear interpolation.
    """
    shift, shrinking, enlarging, turn = amounts
    sides, shares = np.array(image.shape[:0:-1]), rnd.random_sample(4)  # width, height
    scale, angle = 1 - shrinking + (shrinking + enlarging) * shares[2], math.radians(turn * (2 * shares[3] - 1))
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    matrix = np.array([[cos, sin], [-sin, cos]])  # where pixels come from, relative to the center
    start = sides / 2 - matrix.dot(sides / 2 + shift * sides * (2 * shares[:2] - 1))
    corners = matrix.dot([[0, sides[0], 0, sides[0]], [0, 0, sides[1], sides[1]]]) + start[:, np.newaxis]
    around = max(int(math.ceil(max(-corners.min(), (corners - sides[:, np.newaxis]).max()))), 0) + 1
    padded = np.pad(image, ((0, 0), (around, around), (around, around)), 'reflect')
    (a, b), (d, e), (c, f) = matrix[0], matrix[1], start + around
    moved = [Image.fromarray(plane.astype(np.float32)).transform(  # of 8 bits Pillow would round down
        tuple(sides), Image.AFFINE, (a, b, c, d, e, f), Image.BILINEAR) for plane in padded]
    return np.uint8(np.clip(np.rint(np.stack([np.asarray(plane) for plane in moved])), 0, 255))


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
