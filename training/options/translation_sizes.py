"""What translators need of the sizes of their images, entered into the options of a training; without TensorFlow."""

from training.data.translation import transforms
from training.options import epochs

HALVINGS = {  # how often these networks halve their images, at least, where the option num_downs does not say so
    'G_resnet': 2, 'G_unet': 5, 'G_sincut': 1, 'G_ugatit': 2, 'G_pix2pixhd': 4, 'E_pix2pixhd': 4}
SHEET = dict(size='8x1', layout='random')  # of the pictures of a training


def multiple(method_args):
    """What the sides of images must be multiples of, for all networks that halve and double them.

    Args:
        method_args: Options of a method that translates.
    Returns: A power of two, at least transforms.MULTIPLE.
    """
    found = [transforms.MULTIPLE]
    for name in ('G_args', 'E_args') if method_args.get('instance_feat') else ('G_args',):
        args = method_args[name]
        downs = args.get('num_downs', HALVINGS.get(args['func_name'].split('.')[-1], 0))
        found.append(2 ** (downs + args.get('num_enhancers', 0)))
    return max(found)


def look(options):
    """Opens the data of a training, see `epochs.look`, and enters what it takes into its options.

    That is the multiple that pictures are rounded to, and crops are refused without; and, for sheets of whole pictures,
    how many there are, as each takes as long as hundreds of crops.

    Args:
        options: Options of a training; changed.
    Returns: {stream: epochs.Found}.
    """
    data, value = options['dataset_args'], multiple(options['method_args'])
    if value != transforms.MULTIPLE:
        data.setdefault('multiple', value)
    found = epochs.look(options)
    if data.get('preprocess') in transforms.WHOLE and options['grid_args'] == SHEET:
        columns = int(SHEET['size'].split('x')[0])
        options['grid_args'] = dict(SHEET, size=f'{min([columns] + [item.num_shown for item in found.values()])}x1')
    return found
