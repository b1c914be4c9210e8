"""Projects pictures into the latent space of a generator, and uses that to tell whether the generator made them."""

import argparse
import os

import dnnlib
from dnnlib import cli
from dnnlib.util import UserError
from generator import projections
from generator.options import DEMO
from projector import commands, detection, inputs, reals, results, schedule, session
from training import pretrained
from training.dataset import load_dataset

DISTANCES = ('lpips-vgg', 'lpips-alex', 'pixel')
RESUMABLE = ('project-images', 'calibrate', 'detect')  # an interrupted one is resumed by the same command


def at_least(minimum):
    """Argument type: int not below `minimum`."""
    def parse(text):
        if not text.isdigit() or int(text) < minimum:
            raise argparse.ArgumentTypeError(f'expected a whole number of at least {minimum}, got {text!r}')
        return int(text)
    return parse


def rate(text):
    """Argument type: a number between 0 and 0.5, both excluded."""
    value = cli.finite_float(text)
    if not 0 < value < 0.5:
        raise argparse.ArgumentTypeError(f'expected a number between 0 and 0.5, got {text!r}')
    return value


def rate_list(text):
    """Argument type: a comma list of such numbers, as a sorted list."""
    return sorted({rate(part) for part in text.split(',')})


def add_generated(parsers):
    """Adds `project-generated-images`."""
    p = parsers.add_parser('project-generated-images', help='project generated images')
    _add_network(p)
    p.add_argument('--seeds', type=cli.seed_list, metavar='LIST', default='0,1,2',
                   help='random seeds of the images (default: %(default)s)')
    _add_truncation(p)
    _add_snapshots(p, 5)
    _add_settings(p, 'paper')
    p.set_defaults(run=commands.project_generated_images)


def add_real(parsers):
    """Adds `project-real-images`."""
    p = parsers.add_parser('project-real-images', help='project the images of a dataset')
    _add_network(p)
    p.add_argument('--dataset', metavar='NAME', required=True,
                   help='name of the dataset; cats = the held-out images of the built-in one')
    p.add_argument('--data-dir', metavar='DIR', help='folder of the dataset')
    p.add_argument('--num-images', type=at_least(1), metavar='N', default=3,
                   help='number of images (default: %(default)s)')
    _add_snapshots(p, 5)
    _add_settings(p, 'paper')
    p.set_defaults(run=commands.project_real_images)


def add_images(parsers):
    """Adds `project-images`."""
    p = parsers.add_parser('project-images', help='project your own image files')
    p.add_argument('paths', metavar='PATH', nargs='+', help='image file, or folder or zip of images')
    _add_network(p)
    _add_fit(p)
    p.add_argument('--mask', metavar='FILE', help='picture: white = compare, black = ignore')
    p.add_argument('--start-dlatents', metavar='FILE', help='earlier projection (.npz, .npy) to start from')
    p.add_argument('--save-video', action='store_true',
                   help='video of each projection: mp4 if imageio-ffmpeg is installed, else frames')
    _add_snapshots(p, 0)
    _add_settings(p, 'paper')
    p.set_defaults(run=commands.project_images)


def add_calibrate(parsers):
    """Adds `calibrate`."""
    p = parsers.add_parser('calibrate', help='measure how well generated and real pictures can be told apart')
    _add_network(p)
    p.add_argument('--generated', type=at_least(1), metavar='N', default=64,
                   help='number of generated pictures (default: %(default)s)')
    p.add_argument('--first-seed', type=at_least(0), metavar='N', default=0,
                   help='seed of the first of them (default: %(default)s)')
    p.add_argument('--reals', metavar='PATH', nargs='+', required=True,
                   help='real pictures: files, folders or zips; cats = held-out ones of the built-in dataset')
    p.add_argument('--num-reals', type=at_least(1), metavar='N', help='use the first N (default: as many as generated)')
    _add_truncation(p)
    _add_fit(p)
    for kind, text in (('jpeg', 'saved as JPEG of this quality'), ('resize', 'scaled by this factor and back'),
                       ('crop', 'cropped to this share of the sides')):
        p.add_argument('--' + kind, type=cli.finite_float, metavar='X',
                       help=f'calibrate for pictures {text}')
    p.add_argument('--robustness', type=at_least(0), metavar='N', default=8,
                   help='pictures of each class for the table of changed pictures, 0 = none (default: %(default)s)')
    p.add_argument('--error-rates', type=rate_list, metavar='LIST', default='0.01,0.05,0.1',
                   help='shares of wrong verdicts to print thresholds for, if there are enough pictures '
                        '(default: %(default)s)')
    _add_settings(p, 'fast')
    p.set_defaults(run=detection.calibrate)


def add_detect(parsers):
    """Adds `detect`."""
    p = parsers.add_parser('detect', help='tell which pictures a network made, given a calibration of it')
    p.add_argument('paths', metavar='PATH', nargs='+', help='image file, or folder or zip of images')
    p.add_argument('--calibration', dest='calibrations', metavar='FILE', action='append', required=True,
                   help='calibration.json written by calibrate; repeat it to tell which of several networks')
    p.add_argument('--network', dest='network_pkl', metavar='PKL',
                   help="network pickle, if it isn't where the calibration says")
    p.add_argument('--error-rate', type=rate, metavar='X', default=0.05,
                   help='accepted share of wrong verdicts (default: %(default)s)')
    _add_measuring(p, None)
    _add_common(p)
    p.set_defaults(run=detection.detect)


def _add_network(p):
    p.add_argument('--network', dest='network_pkl', metavar='PKL', default=DEMO,
                   help='network pickle: path, URL or published name; or a run directory, for its newest one (default: '
                   'the cats shipped with this program)')


def _add_truncation(p):
    p.add_argument('--truncation-psi', type=cli.finite_float, metavar='PSI', default=1.0,
                   help='0 = the average image, 1 = no truncation (default: %(default)s)')


def _add_snapshots(p, default):
    p.add_argument('--num-snapshots', type=at_least(0), metavar='N', default=default,
                   help='intermediate images to write (default: %(default)s)')


def _add_fit(p):
    p.add_argument('--fit', choices=inputs.FITS, default='crop',
                   help='how a picture is brought to the size of the network (default: %(default)s)')
    p.add_argument('--align', choices=['ffhq'], help='rotate and crop faces as in FFHQ, as networks of faces need')


def _add_measuring(p, preset):
    """Options that the distance depends on; `None` as preset leaves them without defaults."""
    def default(value):
        return None if preset is None else value

    def text(value):
        return f' (default: {value})' if preset else ' (default: as calibrated)'

    p.add_argument('--preset', choices=sorted(schedule.PRESETS), default=preset,
                   help='paper = as published, fast = fewer steps, from an estimate of the dlatent' + text(preset))
    p.add_argument('--num-steps', '--steps', type=at_least(1), metavar='N',
                   help='optimization steps per image' + text(', '.join(
                       f'{steps} for {preset}' for preset, steps in sorted(schedule.NUM_STEPS.items()))))
    p.add_argument('--space', choices=['w', 'w+'], default=default('w'),
                   help='w+ = one dlatent per layer, which fits pictures of any origin better' + text('w'))
    p.add_argument('--noise', choices=['optimize', 'fixed'], default=default('optimize'),
                   help='fixed = leave the noise maps as drawn' + text('optimize'))
    p.add_argument('--distance', choices=DISTANCES, default=default('lpips-vgg'),
                   help='the distance to minimize' + text('lpips-vgg'))
    p.add_argument('--restarts', type=at_least(1), metavar='N', default=default(1),
                   help='projections per image with different noise, with fast from different starts; '
                   'the closest one counts' + text(1))
    p.add_argument('--plateau', type=at_least(0), metavar='N', default=default(0),
                   help='stop a projection that has not improved by 1%% in N steps, 0 = never' + text(0))
    p.add_argument('--seed', type=at_least(0), metavar='N', default=default(0),
                   help="seed of the projection's own random noise" + text(0))
    p.add_argument('--class', dest='label', metavar='NAME',
                   help='class to start the search from, by name or number; several joined by commas' + text('none'))


def _add_settings(p, preset):
    _add_measuring(p, preset)
    cli.add_precision(p)
    _add_common(p)


def _add_common(p):
    p.add_argument('--minibatch', type=at_least(1), metavar='N',
                   help='pictures projected at once; results differ by rounding (default: 4 up to 256 pixels, '
                   'else 1)')
    p.add_argument('--result-dir', metavar='DIR', default='results',
                   help='folder of the numbered run directories (default: %(default)s)')
    cli.add_common(p)
    cli.add_selftest(p)


def _prepare(args, name):
    """Arguments of a command's function, from those of the command line."""
    missing = dict.fromkeys(key for key in session.Settings._fields if key not in args)  # detect has no defaults
    args = dict(args, **missing)
    if name == 'detect':
        return cli.gather(args, session.Settings, 'given')
    num_steps = schedule.NUM_STEPS[args['preset']] if args['num_steps'] is None else args['num_steps']
    args.update(schedule=schedule.PRESETS[args['preset']], num_steps=num_steps)
    if name == 'calibrate':
        first, count = args.pop('first_seed'), args.pop('generated')
        changes = [(kind, args.pop(kind)) for kind in ('jpeg', 'resize', 'crop')]
        args.update(seeds=list(range(first, first + count)), changes=','.join(
            f'{kind}={amount:g}' for kind, amount in changes if amount is not None))
        args = cli.gather(args, detection.CalibrationOptions, 'options')
    if name == 'project-images':
        args = cli.gather(args, commands.ImageOptions, 'options')
    return cli.gather(args, session.Settings, 'settings')


def _check_paths(args):
    """Raises UserError for missing or unusable files, before TensorFlow loads."""
    options = args.get('options')
    paths = list(args.get('paths', [])) + list(args.get('calibrations', [])) + [args.get('data_dir')]
    paths += [path for path in getattr(options, 'reals', []) if path != 'cats']
    for path in paths + [getattr(options, 'mask', None), getattr(options, 'start_dlatents', None)]:
        if path is not None and not os.path.exists(path):
            raise UserError(f'{path}: no such file or folder')
    if getattr(options, 'mask', None) is not None:
        inputs.read_picture(inputs.Picture('mask', options.mask, None, options.mask))
    if 'calibrations' in args:
        detection.load_calibrations(args['calibrations'], args['network_pkl'], args['error_rate'], args['given'])
    for pictures in (args.get('paths', []), [path for path in getattr(options, 'reals', []) if path != 'cats']):
        if pictures:
            inputs.check_some_usable(pictures)
    if getattr(options, 'start_dlatents', None) is not None:
        projections.load(options.start_dlatents)
    if args.get('dataset', 'cats') != 'cats':
        load_dataset(tfrecord_dir=args['dataset'], data_dir=args['data_dir']).close()


def main(argv):
    """Parses the arguments, checks what can be checked without TensorFlow, and runs the sub-command.

    Returns: Exit code: 1 if some of several pictures could not be used, else None.
    """
    parser = cli.ArgumentParser(description=__doc__)
    parsers = parser.add_subparsers(metavar='COMMAND', dest='command')
    for add in (add_generated, add_real, add_images, add_calibrate, add_detect):
        add(parsers)
    name, run, args = cli.parse_command(parser, argv)
    if args['network_pkl'] is not None:
        args['network_pkl'] = pretrained.resolve(args['network_pkl'])
        pretrained.check_network_file(args['network_pkl'])
    args = _prepare(args, name)
    _check_paths(args)
    if name == 'calibrate':
        reals.check(args['options'], args['settings'])
    result_dir = cli.writable_dir(args.pop('result_dir'))
    args['tf_config'] = cli.pop_tf_config(args)
    if args.pop('selftest'):
        cli.run_selftest(args['tf_config'])
    config = dnnlib.SubmitConfig(run_dir_root=result_dir, run_desc=name, options_file=None)
    interrupted = None
    if name in RESUMABLE:
        config.options_file = results.OPTIONS_FILE
        interrupted = results.find_interrupted(result_dir, name, args)
        if interrupted is not None:
            print(f'Resuming in {interrupted}')
    config = dnnlib.submit_run(config, run, resume_run_dir=interrupted, **args)
    bad = config.get('bad_pictures')
    if bad:
        print(f'Exit code 1, since {len(bad)} of the pictures cannot be used: see "Skipped" above')
    return 1 if bad else None


if __name__ == '__main__':
    cli.run_main(main)
