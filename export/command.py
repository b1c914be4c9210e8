"""`export`: the networks of a file in other formats; this module chooses the format, its neighbors write the files."""

import argparse
import collections
import os
import re

from dnnlib import cli, util
from dnnlib.run.logger import quiet_stderr
from dnnlib.util import UserError
from training import pretrained

# options of formats that draw
GRAPH = ('input', 'noise', 'truncation_psi', 'images', 'direction', 'resolution', 'evaluate')

Format = collections.namedtuple('Format', 'extension writer text options')
# Name of the format to its extension; full name of the function that writes it, which
# is called as writer(network_pkl, output, kind, **options); what it is; names of the options that it takes.
FORMATS = collections.OrderedDict([
    ('pkl', Format('.pkl', 'export.arrays.write', 'published pickle of all networks', ())),
    ('torch', Format('.pt', 'export.torch_module.write', 'weight file of PyTorch, and for StyleGAN2 a module that runs '
                     'it', ('direction',))),
    ('npz', Format('.npz', 'export.arrays.write', 'NumPy archive of all networks', ())),
    ('safetensors', Format('.safetensors', 'export.arrays.write', 'safetensors file of all networks', ())),
    ('savedmodel', Format('.savedmodel', 'export.tensorflow_files.write', 'folder for tf.saved_model.load', GRAPH)),
    ('graphdef', Format('.pb', 'export.tensorflow_files.write', 'frozen TensorFlow graph', GRAPH)),
    ('onnx', Format('.onnx', 'export.onnx_file.write', 'ONNX', GRAPH)),
    ('tflite', Format('.tflite', 'export.tensorflow_files.write', 'TensorFlow Lite', GRAPH)),
])


def add_command(commands):
    """Adds the sub-command `export`; options that not every format takes have the default `None` = not given."""
    p = commands.add_parser('export', help='write the networks of a file in another format')
    p.add_argument('network_pkl', metavar='FILE', help='network file: path, URL, published name or run directory')
    p.add_argument('output', metavar='OUTPUT', help='file to write; its extension says the format unless --format does')
    p.add_argument('--format', dest='kind', choices=FORMATS, metavar='FORMAT', help='; '.join(
        '{} = {}'.format(kind, form.text) for kind, form in FORMATS.items()))
    p.add_argument('--input', choices=('z', 'w', 'reference'), help='formats that draw: latents, with labels if the '
                   'network has them, or one dlatent per layer; of StarGAN v2: latents, a style, or a picture that has '
                   'it (default: z)')
    p.add_argument('--noise', choices=('const', 'input', 'random', 'none'), help='formats that draw: the noise '
                   'stored in the network, an input per layer, new for every picture, none (default: const)')
    p.add_argument('--truncation-psi', type=psi_or_input, metavar='PSI', help='formats that draw: a number, or '
                   'input = an input of that name (default: 1, no truncation)')
    p.add_argument('--images', choices=('nchw', 'nhwc', 'uint8'), help='formats that draw: float32 around [-1, 1], '
                   'with channels first or last, or bytes with channels last (default: nchw)')
    p.add_argument('--direction', choices=('AtoB', 'BtoA'),
                   help='of a file of two networks that translate pictures, which one (default: AtoB)')
    p.add_argument('--resolution', type=image_size, metavar='HxW', help='networks that translate pictures, formats '
                   'that draw: size of the pictures (default: that of the network)')
    p.add_argument('--eval', dest='evaluate', action='store_const', const=True,
                   help='the same: statistics that training stored and no dropout')
    p.set_defaults(run=export)


def psi_or_input(text):
    """Argument type: a number, or `input`."""
    return text if text == 'input' else cli.finite_float(text)


def image_size(text):
    """Argument type: a side such as 256, or height x width such as 160x128; a list of both."""
    match = re.match(r'([1-9][0-9]{0,4})(?:x([1-9][0-9]{0,4}))?\Z', text)
    if not match:
        raise argparse.ArgumentTypeError(f'expected a size such as 256 or 160x128 (height x width), got {text!r}')
    return [int(match.group(1)), int(match.group(2) or match.group(1))]


def export(network_pkl, output, kind=None, **options):
    """Writes a file in another format and checks it.

    Args:
        network_pkl: Path, URL or published name of a network file, or a run directory; resolved here, once.
        output: The new file.
        kind: Key of FORMATS; `None` = that of the extension of `output`.
        options: Of the format; `None` = not given.
    Raises: UserError if the format is unknown or does not take an option, or the network file is not one of networks
        alone; OSError if a file cannot be read or written.
    """
    kind = kind or kind_of(output)
    given = {name: value for name, value in options.items() if value is not None}
    for name in sorted(set(given) - set(FORMATS[kind].options)):
        option = {'evaluate': 'eval'}.get(name, name.replace('_', '-'))
        raise UserError(f'--{option} does not apply to --format={kind}')
    if os.path.isdir(output) or not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise UserError(f'cannot write {output!r}: its folder does not exist, or a folder has this name')
    file = pretrained.resolve(network_pkl)
    pretrained.check_network_file(file)
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')
    with quiet_stderr():  # TensorFlow may be loaded here
        writer = util.get_obj_by_name(FORMATS[kind].writer)
    writer(file, output, kind, **given)


def kind_of(output):
    """Key of FORMATS by the extension of a file name. Raises: UserError for an unknown one."""
    extension = os.path.splitext(output)[1]
    kinds = [kind for kind, form in FORMATS.items() if extension and form.extension == extension]
    if not kinds:
        known = ', '.join(form.extension for form in FORMATS.values())
        raise UserError(f'{output!r}: unknown extension; use one of {known}, or choose --format')
    return kinds[0]
