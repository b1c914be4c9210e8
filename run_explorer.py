"""Opens a page in the browser: explore a network, project and judge pictures, watch, steer and start trainings."""

import os
import sys
import threading
import webbrowser

import dnnlib  # noqa: F401  first: says if a package is missing

from dnnlib import cli
from dnnlib.util import UserError
from explorer import app, guard, routes, server
from generator.options import DEMO
from training import pretrained

LOOPBACK, DATA_DIR = guard.LOOPBACK, 'datasets'


def make_parser():
    """The command line."""
    p = cli.ArgumentParser(description=__doc__)
    p.add_argument('--network', metavar='FILE', default=DEMO,
                   help='network file, published name, or run directory, for its newest one; none = only trainings '
                   '(default: the cats shipped with this program)')
    p.add_argument('--run', metavar='DIR', help='run directory of a training outside of --result-dir')
    p.add_argument('--result-dir', metavar='DIR', default='results',
                   help='folder of the runs that are listed; pictures are saved in its folder explorer (default: '
                   '%(default)s)')
    p.add_argument('--data-dir', metavar='DIR', default=DATA_DIR,
                   help='folder of the datasets that trainings can be started on (default: %(default)s)')
    p.add_argument('--calibration', metavar='FILE',
                   help='calibration.json that run_projector.py calibrate wrote, to judge pictures by')
    p.add_argument('--host', metavar='ADDRESS', default=LOOPBACK[0],
                   help='address to listen at; by another one than the default other machines reach the page, and '
                   'whoever has the token can use this program (default: %(default)s)')
    p.add_argument('--port', type=port, metavar='N', default=0, help='port, 0 = a free one (default: %(default)s)')
    p.add_argument('--allow-host', action='append', default=[], metavar='NAME',
                   help='a name under which a proxy shows the page; .example.org = all that end so; may be repeated')
    p.add_argument('--open', action='store_true', help='open the page in the browser of this machine')
    cli.add_common(p)
    return p


def port(text):
    """Argument type: number of a port, or 0."""
    numbers = cli.int_list(text)
    if len(numbers) != 1 or numbers[0] > 65535:
        raise cli.argparse.ArgumentTypeError(f'expected a port from 0 to 65535, got {text!r}')
    return numbers[0]


def make_app(args):
    """app.App of a parsed command line; raises UserError for what can be told at once."""
    network = None if args.network == 'none' else pretrained.resolve(args.network)
    if network is not None:
        pretrained.check_network_file(network)
    data_dir = None if args.data_dir == DATA_DIR and not os.path.isdir(DATA_DIR) else args.data_dir
    for flag, path in (('--run', args.run), ('--data-dir', data_dir)):
        if path is not None and not os.path.isdir(path):
            raise UserError(f'{flag}={path}: folder not found')
    if args.calibration is not None:
        from projector.calibration import Calibration
        Calibration.load(args.calibration)
    cli.writable_dir(args.result_dir)
    cli.pop_tf_config(dict(vars(args)))  # is TensorFlow there?
    return app.App(app.Options(network, args.result_dir, data_dir, args.run, args.calibration, args.device,
                               args.ops))


def serve(args):
    """Starts the server of a parsed command line; returns (server, app, address of the page with its token)."""
    the_app = make_app(args)
    doorman = guard.Guard(args.allow_host + ([] if args.host in LOOPBACK else [args.host]))
    try:
        listening = server.Server((args.host, args.port), doorman, routes.Routes(the_app, version()),
                                  routes.body_limit)
    except OSError as error:
        the_app.close()
        raise UserError(f'cannot listen at {args.host} port {args.port} ({error.strerror}); choose another --port or '
                        '--host') from error
    shown = f'[{args.host}]' if ':' in args.host else args.host
    return listening, the_app, f'http://{shown}:{listening.server_address[1]}/#token={doorman.token}'


def version():
    """Version of the program."""
    import stylegan2
    return stylegan2.__version__


def main(argv):
    """Parses the command line and serves the page until Ctrl-C; returns the exit code."""
    args = make_parser().parse_args(argv)
    listening, the_app, address = serve(args)
    if args.host not in LOOPBACK:
        print(f'WARNING: {args.host} can be reached by other machines; whoever knows the token can use this program, '
              'and what is sent can be read on the way. ssh -L keeps both private.', file=sys.stderr)
    print(f'Open this page in a browser (Ctrl-C ends it):\n  {address}', flush=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    if args.open:
        webbrowser.open(address)
    try:
        the_app.open_first()
        threading.Event().wait()
    except KeyboardInterrupt:
        print('\nThe page is closed; trainings go on')
    finally:
        listening.shutdown()
        listening.server_close()
        the_app.close()
    return 0


if __name__ == '__main__':
    cli.run_main(main)
