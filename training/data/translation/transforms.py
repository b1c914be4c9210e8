"""What becomes of a picture before a translator is trained on it: size, crop, mirroring, as published."""

from typing import NamedTuple

import numpy as np
from PIL import Image

from dnnlib.util import UserError

MULTIPLE = 4  # of the sides of images, for networks that halve them twice; as published, whatever they need
TO_WIDTH = ('scale_width', 'scale_width_and_crop')
TO_SHORT_SIDE = ('scale_shortside', 'scale_shortside_and_crop')
WHOLE = ('zoom_and_patch',)  # tested with whole pictures, though trained on small parts of them
MAX_WHOLE = 2 ** 20  # pixels of these; larger ones are scaled down: 80 feature maps, as published, take 320 MB
CROPPED = ('resize_and_crop', 'crop', 'scale_width_and_crop', 'scale_shortside_and_crop', 'zoom_and_patch')
FILTERS = dict(bicubic=Image.BICUBIC, bilinear=Image.BILINEAR)
WAYS = CROPPED + ('scale_width', 'scale_shortside', 'none')


class Transform(NamedTuple):
    """The options of the published programs, under their names; sizes in pixels."""
    preprocess: str = 'resize_and_crop'  # one of WAYS
    load_size: int = 286                 # side, width or shorter side that pictures are scaled to; as published
    crop_size: int = 256                 # side of the crops; as published
    flip: bool = True                    # mirror half of them left to right?
    resample: str = 'bicubic'            # or 'bilinear', as SinCUT and U-GAT-IT scale
    random_scale_max: float = 3          # zoom_and_patch: sides are scaled by 1 / this to 1; as published for SinCUT
    multiple: int = MULTIPLE             # sides of images that are not cropped are rounded to multiples of this


class Draw(NamedTuple):
    """The random numbers of one image, each uniform from 0 to below 1."""
    left: float    # of the crop, as a share of the room that there is
    top: float
    flip: float    # mirrored if below 1/2
    width: float   # zoom_and_patch: the scale of each side
    height: float
    cell: float    # zoom_and_patch: which cell of the grid


CENTER = Draw(0.5, 0.5, 1, 1, 1, 0.5)  # of images that are not drawn at random


def draw(rnd):
    """Draw from a RandomState."""
    return Draw(*rnd.random_sample(len(Draw._fields)))


def check(transform):
    """Raises UserError naming an option that is unknown or makes no sense."""
    if transform.preprocess not in WAYS:
        raise UserError(f'preprocess must be one of {", ".join(WAYS)}, not {transform.preprocess!r}')
    if transform.resample not in FILTERS:
        raise UserError(f'resample must be {" or ".join(FILTERS)}, not {transform.resample!r}')
    for name, least in (('multiple', 1), ('load_size', MULTIPLE), ('crop_size', MULTIPLE)):
        value = getattr(transform, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise UserError(f'{name} must be a whole number of pixels from {least} on, not {value!r}')
    crop = transform.crop_size
    if transform.preprocess in CROPPED and crop % transform.multiple:
        near = nearest(crop, transform.multiple)
        raise UserError(f'crop_size must be a multiple of {transform.multiple}, as the networks halve images, not '
                        f'{crop}; use {near}')
    scaled = transform.preprocess in CROPPED and transform.preprocess not in ('crop', 'zoom_and_patch')
    if scaled and transform.load_size < transform.crop_size:
        raise UserError(f'load_size {transform.load_size} must not be smaller than crop_size {transform.crop_size}')
    if not transform.random_scale_max >= 1:
        raise UserError(f'random_scale_max must be a number from 1 on, not {transform.random_scale_max!r}')


def settled(transform):
    """The same without enlargement before cropping, so that, but for long sides, all of a picture is seen."""
    return transform._replace(load_size=transform.crop_size) if transform.preprocess in CROPPED else transform


def scaled_size(size, transform, drawn=CENTER):
    """Size of a picture after scaling, before cropping.

    Args:
        size: (width, height).
        transform: Transform.
        drawn: Draw.
    Returns: (width, height).
    """
    (width, height), load, crop = size, transform.load_size, transform.crop_size
    way = transform.preprocess
    if way == 'resize_and_crop':
        return load, load
    if way in TO_WIDTH and not (width == load and height >= crop):
        width, height = load, int(max(load * height / width, crop))
    if way in TO_SHORT_SIDE and min(size) < load:
        width, height = (int(round(side * load / min(size))) for side in size)
    if way == 'zoom_and_patch':
        least = 1 / transform.random_scale_max
        width, height = (int(round(max(crop, side * (least + (1 - least) * share))))
                         for side, share in ((width, drawn.width), (height, drawn.height)))
    return width, height


def nearest(side, multiple):
    """The multiple of a number that is nearest to a side, at least one times it."""
    return max(int(round(side / multiple)), 1) * multiple


def rounded_size(size, transform):
    """The nearest size whose sides are multiples of what a Transform says."""
    return tuple(nearest(side, transform.multiple) for side in size)


def whole_size(size, transform):
    """Size of a picture of WHOLE to test with: its own, rounded, or scaled down to MAX_WHOLE pixels."""
    scale = min(1, (MAX_WHOLE / (size[0] * size[1])) ** 0.5)
    return rounded_size([side * scale for side in size], transform)


def output_size(size, transform):
    """Size that a picture becomes, (width, height); `None` if it is too small to be cropped."""
    size = scaled_size(size, transform)
    if transform.preprocess in CROPPED:
        return (transform.crop_size,) * 2 if min(size) >= transform.crop_size else None
    return rounded_size(size, transform)


def scale(image, transform, drawn=CENTER):
    """Scales a PIL image of mode L or RGB, or, to the nearest pixel, one of mode I (numbers of a map).

    What is not cropped is scaled once more, to sides that are multiples of what the networks need, as CUT does.
    """
    size = scaled_size(image.size, transform, drawn)
    for target in (size, size if transform.preprocess in CROPPED else rounded_size(size, transform)):
        image = resized(image, target, transform)
    return image


def resized(image, size, transform):
    """An image as `scale` takes it in another size, (width, height)."""
    if image.size == size:
        return image
    return image.resize(size, Image.NEAREST if image.mode == 'I' else FILTERS[transform.resample])


def cut(pixels, transform, drawn):
    """The part of a scaled image that is trained on, perhaps mirrored.

    Args:
        pixels: [C, H, W].
        transform: Transform.
        drawn: Draw.
    Returns: [C, h, w].
    """
    if transform.preprocess in CROPPED:
        crop = transform.crop_size
        left, top = _corner(pixels.shape[2], pixels.shape[1], transform, drawn)
        pixels = pixels[:, top:top + crop, left:left + crop]
    return pixels[:, :, ::-1] if transform.flip and drawn.flip < 0.5 else pixels


def _corner(width, height, transform, drawn):
    """Left and top of the crop."""
    crop = transform.crop_size
    if transform.preprocess != 'zoom_and_patch':
        return int(drawn.left * (width - crop + 1)), int(drawn.top * (height - crop + 1))
    columns, rows = width // crop, height // crop  # a grid of cells that begins somewhere in the room that is left
    column, row = divmod(int(drawn.cell * columns * rows), rows)
    return (int(drawn.left * (width - columns * crop + 1)) + column * crop,
            int(drawn.top * (height - rows * crop + 1)) + row * crop)


def to_array(image):
    """Image of mode L, RGB or I as [C, H, W], uint8 or int32."""
    pixels = np.asarray(image)
    return pixels[np.newaxis] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))
