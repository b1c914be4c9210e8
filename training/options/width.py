"""`--width`: narrower or wider networks by one number, in every configuration of StyleGAN."""

import argparse


MOST = 8  # times as wide as published; wider networks are a matter of --set
MULTIPLE = 8  # of feature maps: fewer, or others, compute no faster
MIN_MAPPING = 64  # sizes of Z and W: with fewer dimensions pictures vary too little
MAPPING = ('latent_size', 'dlatent_size', 'mapping_fmaps')
FMAP_MAX = 512  # default of all networks


def argument(text):
    """Argument type: a number above 0 and at most MOST, as 0.25 or as 1/4.

    Raises: argparse.ArgumentTypeError for another text.
    """
    numerator, slash, denominator = text.partition('/')
    try:
        value = float(numerator) / (float(denominator) if slash else 1)
    except (ValueError, ZeroDivisionError):
        value = 0
    if not 0 < value <= MOST:
        raise argparse.ArgumentTypeError(f'expected a number above 0 and at most {MOST} such as 1/4 or 0.25, got '
                                         f'{text!r}')
    return value


def add(parser):
    """Adds `--width` to an argparse parser or group."""
    parser.add_argument('--width', type=argument, default=1, metavar='FACTOR',
                        help='multiplies the feature maps of both networks, and the sizes of Z and W (these to at '
                        f'least {MIN_MAPPING}, and never up), such as 1/4 (default: %(default)s)')


def fmaps(factor, base, most=FMAP_MAX):
    """Options of a network that is `factor` times as wide: {fmap_base, fmap_max}; `base`, `most`: of a factor of 1."""
    return dict(fmap_base=max(round(base * factor), 1), fmap_max=max(round(most * factor / MULTIPLE), 1) * MULTIPLE)


def mapping_size(factor, size):
    """Dimensions of Z or W that are `factor` times as many, at least MIN_MAPPING, and never more."""
    return min(max(round(size * factor), MIN_MAPPING), size)


def apply(options, width):
    """Multiplies the widths of both networks, and prints what they become; 1 changes nothing.

    Feature maps are `fmap_base` divided by the resolution, at most `fmap_max`: with both multiplied, every layer is.

    Args:
        options: Options of the training loop; changed.
        width: Factor, float.
    """
    if width == 1:
        return
    texts = []
    for name in ('G', 'D'):
        args = options[name + '_args']
        module = args['func_name'].split('.')[1]
        changed = fmaps(width, args.get('fmap_base', 8192 if module == 'networks_stylegan' else 16384),
                        args.get('fmap_max', FMAP_MAX))
        for key in MAPPING if name == 'G' else ():
            if key != 'mapping_fmaps' or module != 'networks_ada':  # there it follows dlatent_size
                changed[key] = mapping_size(width, args.get(key, 512))
        args.update(changed)
        texts.append(f'{name} {", ".join(f"{key}={value}" for key, value in changed.items())}')
    print(f'--width={width:g}: {"; ".join(texts)}')
