"""Translates pictures with a trained network: horses to zebras, outlines to cats, label maps to streets."""

import contextlib
import io
import os

import dnnlib  # first: says if a package is missing

from dnnlib import cli
from dnnlib.util import UserError
from generator import options as drawing_options
from training import pretrained
from translator import command, domain_sheets, domains, networks

OUTPUTS = ('png', 'jpg', 'webp')


def add_translate(commands):
    """Adds the sub-command `translate`."""
    p = commands.add_parser('translate', help='write the translations of pictures and videos')
    p.add_argument('paths', metavar='PATH', nargs='+', help='picture, folder or zip of pictures, or video')
    p.add_argument('--network', metavar='FILE', required=True,
                   help='network file of a training, its run directory, or a weight file of pix2pix, CycleGAN, CUT, '
                   'SinCUT, pix2pixHD or U-GAT-IT for PyTorch (.pth, .pt): path or URL')
    p.add_argument('--direction', choices=networks.DIRECTIONS,
                   help='which of two networks of a file translates (default: AtoB)')
    p.add_argument('--eval', dest='evaluate', action='store_true', help='statistics that training stored and no '
                   'dropout; by default those of each picture and dropout, as in the published tests')
    p.add_argument('--dropout', type=cli.bool_arg, metavar='BOOL',
                   help='has the network dropout? (default: as its file says)')
    p.add_argument('--seed', type=number, metavar='N', default=0,
                   help='seed of dropout and noise (default: %(default)s)')
    p.add_argument('--tile', type=drawing_options.positive_int, metavar='N', help='translate large pictures in pieces '
                   'of NxN pixels, where memory is short; pieces look less alike than one picture does')
    p.add_argument('--overlap', type=number, metavar='N',
                   help='pixels that pieces share, in which they fade into each other (default: a quarter of --tile)')
    p.add_argument('--instances', metavar='PATH', help='pix2pixHD: map of instances of a label map, or folder or zip '
                   'of such maps under the same names')
    p.add_argument('--encoder', metavar='FILE',
                   help='pix2pixHD: file of the encoder (EPOCH_net_E.pth), unless the network file holds it')
    p.add_argument('--reference', metavar='PATH', help='pix2pixHD with an encoder: picture whose instances look as '
                   'those of the translation should, or folder or zip of such pictures under the same names')
    p.add_argument('--reference-instances', metavar='PATH', help='maps of instances of the --reference pictures, which '
                   'may then be any: instances get the looks of random ones of their class')
    p.add_argument('--clusters', metavar='FILE', help='pix2pixHD: features_clustered_010.npy of its published program, '
                   'instead of an encoder and --reference pictures')
    p.add_argument('--outputs', type=drawing_options.choice_list(OUTPUTS), default=OUTPUTS[:1], metavar='LIST',
                   help=f"files to write, some of {', '.join(OUTPUTS)} (default: {OUTPUTS[0]})")
    p.add_argument('--sheet', action='store_true', help='write grid.png: pictures beside their translations')
    p.add_argument('--video', action='store_true',
                   help='pictures are frames: write video.mp4 of their translations too')
    p.add_argument('--fps', type=cli.finite_float, metavar='X', help='frames per second of --video (default: 25)')
    p.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                   help='at a picture that cannot be read: stop, or skip it (default: %(default)s)')
    p.add_argument('--result-dir', default='results', metavar='DIR',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(p)
    p.set_defaults(run=command.translate)


def add_domains(commands):
    """Adds the sub-command `domains`."""
    p = commands.add_parser('domains', help='write the translations of pictures to other domains (StarGAN)')
    p.add_argument('paths', metavar='PATH', nargs='+', help='picture, folder or zip of pictures')
    p.add_argument('--network', metavar='FILE', required=True,
                   help='network file of a training, its run directory, or a weight file of StarGAN (STEP-G.ckpt) or '
                   'StarGAN v2 (STEP_nets_ema.ckpt) for PyTorch: path or URL')
    p.add_argument('--domain', metavar='NAME', help='name or number of a domain; of StarGAN the labels of the '
                   'translations, joined by commas (default: each of them)')
    p.add_argument('--styles', type=cli.seed_list, metavar='LIST', default=[0], help='StarGAN v2: seeds of the styles, '
                   'such as 0-4 (default: 0)')
    p.add_argument('--references', metavar='PATH', help='StarGAN v2: pictures of the domain whose styles are taken '
                   'instead, a file, folder or zip')
    p.add_argument('--psi', type=cli.finite_float, default=1.0, metavar='X', help='StarGAN v2: styles of seeds between '
                   'the mean style of a domain, 0, and as they are drawn, 1 (default: 1)')
    p.add_argument('--video', action='store_true', help='StarGAN v2: write video-DOMAIN.mp4, from one style to the '
                   'next, as well')
    p.add_argument('--outputs', type=drawing_options.choice_list(OUTPUTS), default=OUTPUTS[:1], metavar='LIST',
                   help=f"files to write, some of {', '.join(OUTPUTS)} (default: {OUTPUTS[0]})")
    p.add_argument('--bad', choices=('stop', 'skip'), default='stop',
                   help='at a picture that cannot be read: stop, or skip it (default: %(default)s)')
    p.add_argument('--result-dir', default='results', metavar='DIR',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(p)
    p.set_defaults(run=domain_sheets.translate)


def number(text):
    """Argument type: an int of at least 0 and below 2^32."""
    return cli.seed_list(text)[0]


def main(argv):
    """Parses the arguments, checks what can be checked at once, and runs the sub-command."""
    parser = cli.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(metavar='COMMAND', dest='command')
    add_translate(commands)
    add_domains(commands)
    name, run, args = cli.parse_command(parser, argv)
    if name == 'domains':
        return main_domains(run, args)
    if args['fps'] is not None and (not args['video'] or args['fps'] <= 0):
        raise UserError(f'--fps={args["fps"]:g} must be above 0, and is for --video')
    args['fps'] = args['fps'] or command.FPS
    for path in args['paths'] + [args[key] for key in ('instances', 'reference', 'reference_instances', 'clusters')]:
        if path is not None and not os.path.exists(path):
            raise UserError(f'{path}: no such file or folder')
    for key in ('network', 'encoder'):
        if args[key] is not None:
            args[key] = pretrained.resolve(args[key])
            pretrained.check_network_file(args[key])
    result_dir = cli.writable_dir(args.pop('result_dir'))
    args['tf_config'] = cli.pop_tf_config(args)
    for kind, key in ((networks.Files, 'files'), (networks.Mode, 'mode'), (command.Options, 'options')):
        args = cli.gather(args, kind, key)
    with contextlib.redirect_stdout(io.StringIO()):  # what it says is said again in the log
        command.prepare(networks.read_kind(args['files'], args['mode']), args['paths'], args['options'])
    config = dnnlib.SubmitConfig(run_dir_root=result_dir, run_desc=name, options_file=None)
    dnnlib.submit_run(config, run, **args)


def main_domains(run, args):
    """Checks what can be checked at once, and runs `domains`."""
    for path in args['paths'] + [args['references']]:
        if path is not None and not os.path.exists(path):
            raise UserError(f'{path}: no such file or folder')
    args['network'] = pretrained.resolve(args['network'])
    pretrained.check_network_file(args['network'])
    result_dir = cli.writable_dir(args.pop('result_dir'))
    args['tf_config'] = cli.pop_tf_config(args)
    args = cli.gather(args, domain_sheets.Options, 'options')
    domain_sheets.prepare(domains.read_kind(args['network']), args['paths'], args['options'])
    config = dnnlib.SubmitConfig(run_dir_root=result_dir, run_desc='domains', options_file=None)
    dnnlib.submit_run(config, run, **args)


if __name__ == '__main__':
    cli.run_main(main)
