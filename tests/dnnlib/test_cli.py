"""Argument types, the one-line errors of command lines and their exit codes."""

import argparse
import collections
import os
import subprocess
import sys
import threading

import pytest

import dnnlib
from dnnlib import cli


@pytest.mark.parametrize('text, numbers', [
    ('7', [7]), ('3,1,3', [3, 1, 3]), ('2-4', [2, 3, 4]), ('1,4-6', [1, 4, 5, 6]), ('5-5', [5]),
    (' 1 , 2 - 3', [1, 2, 3])])
def test_int_list(text, numbers):
    assert cli.int_list(text) == numbers


@pytest.mark.parametrize('text', ['', 'a', '1,', '-3', '1--2', '3-1', '1.5', '1 2', '0-99999999999', '0x10'])
def test_int_list_refuses(text):
    with pytest.raises(argparse.ArgumentTypeError):
        cli.int_list(text)


def test_seed_list_has_numpys_bound():
    assert cli.seed_list('4294967295') == [2 ** 32 - 1]
    with pytest.raises(argparse.ArgumentTypeError, match='4294967296'):
        cli.seed_list('4294967296')


def test_other_types():
    assert cli.comma_list('fid50k, ppl_zfull') == ['fid50k', 'ppl_zfull']
    assert cli.comma_list('None') == cli.comma_list('') == []
    assert cli.bool_arg('TRUE') is cli.bool_arg('1') is cli.bool_arg('yes') is True
    assert cli.bool_arg('False') is cli.bool_arg('0') is cli.bool_arg('n') is False
    assert cli.finite_float('0.7') == 0.7
    assert [cli.device(text) for text in ('auto', 'cpu', 'gpu', 'gpu:3')] == ['auto', 'cpu', 'gpu:0', 'gpu:3']
    for kind, text in [(cli.bool_arg, 'maybe'), (cli.finite_float, 'abc'), (cli.finite_float, 'nan'),
                       (cli.finite_float, 'inf'), (cli.device, 'tpu'), (cli.device, 'gpu:x')]:
        with pytest.raises(argparse.ArgumentTypeError, match=text):
            kind(text)


def _parser():
    parser = cli.ArgumentParser(prog='prog')
    commands = parser.add_subparsers(dest='command')
    p = commands.add_parser('go')
    p.add_argument('--n', type=int)
    cli.add_common(p)
    p.set_defaults(run=_parser)
    return parser


def test_gather_puts_arguments_into_a_named_tuple():
    kind = collections.namedtuple('kind', 'a b')
    args = dict(a=1, b=None, c='c')
    assert cli.gather(args, kind, 'of') == dict(c='c', of=kind(1, None)) and args == dict(a=1, b=None, c='c')


def test_parse_command_gives_name_function_and_arguments():
    assert cli.parse_command(_parser(), ['go', '--n=3']) == ('go', _parser, {'n': 3, 'device': 'auto', 'ops': 'auto'})


@pytest.mark.parametrize('argv, code, text', [
    (['go', '--n=x'], 2, "'x'"), (['go', '--device=tpu'], 2, "'tpu'"), (['go', '--ops=fast'], 2, "'fast'"),
    (['walk'], 2, "'walk'"), ([], 2, 'expected a command: go')])
def test_bad_command_lines_give_one_line(argv, code, text, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.parse_command(_parser(), argv)
    out, err = capsys.readouterr()
    assert caught.value.code == code
    assert out == '' and err.count('\n') == 1 and err.startswith('prog') and 'error: ' in err and text in err


def _misspelled_parser():
    parser = cli.ArgumentParser(prog='prog')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND')
    p = commands.add_parser('draw-all')
    p.add_argument('--seeds', required=True)
    p.add_argument('--max_images', '--truncation-psi', type=float)
    p.add_argument('--fit', choices=('crop', 'pad'))
    commands.add_parser('mix').add_argument('--row-seeds')
    return parser


@pytest.mark.parametrize('argv, text', [
    (['draw-all', '--seed-s=1'], 'prog draw-all: error: unknown option --seed-s; did you mean --seeds? (see'),
    (['draw-all', '--seeds=1', '--truncation_psi=1'], 'option --truncation_psi; did you mean --truncation-psi?'),
    (['draw-all', '--seeds=1', '--max-images', '3'], 'unknown option --max-images; did you mean --max_images?'),
    (['draw-all', '--seeds=1', '-seeds', '3'], 'unknown option -seeds; did you mean --seeds?'),
    (['draw-all', '--seeds=1', '--quux'], 'unrecognized arguments: --quux'),
    (['draw-all'], 'the following arguments are required: --seeds'),
    (['draw-all', '--seeds=1', '--fit=Corp'], "invalid choice: 'Corp'; did you mean crop? choose from crop, pad"),
    (['draw_al'], "COMMAND: invalid choice: 'draw_al'; did you mean draw-all? choose from draw-all, mix"),
    (['--row-seeds=1', 'mix'], '--row-seeds: options come after the command mix'),
    (['--row-seeds=1'], 'expected a command: draw-all, mix')])
def test_misspelled_names_are_told_what_was_meant(argv, text, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.parse_command(_misspelled_parser(), argv)
    out, err = capsys.readouterr()
    assert (caught.value.code, out, err.count('\n')) == (2, '', 1) and text in err


@pytest.mark.parametrize('error, code, text', [
    (dnnlib.UserError('expected a\nb'), 2, 'error: expected a b\n'),
    (FileNotFoundError(2, 'No such file or directory', 'x.pkl'), 2, "error: 'x.pkl': No such file or directory\n"),
    (OSError('cannot fetch'), 2, 'error: cannot fetch\n'),
    (KeyboardInterrupt(), 130, 'interrupted\n')])
def test_run_main_maps_errors_to_one_line(error, code, text, capsys):
    def main(argv):
        assert argv == ['a']
        raise error
    with pytest.raises(SystemExit) as caught:
        cli.run_main(main, ['a'])
    assert caught.value.code == code
    assert capsys.readouterr().err.split(': ', 1)[-1] == text


def test_run_main_names_the_program_as_it_is_told(capsys):
    with pytest.raises(SystemExit):
        cli.run_main(lambda argv: open('/nowhere/x'), [], prog='python -m dnnlib.doctor')
    assert capsys.readouterr().err.startswith("python -m dnnlib.doctor: error: '/nowhere/x'")


def test_any_name_of_a_file_is_printed(tmp_path):
    code = ("from dnnlib import cli, util\n"
            "def main(argv):\n"
            "    with util.Logger(argv[0]): print('a\\udcffb')\n"
            "    util.write_text(argv[0] + '2', 'a\\udcffb')\n"
            "cli.run_main(main)")
    output = subprocess.check_output([sys.executable, '-c', code, str(tmp_path / 'log')], stderr=subprocess.STDOUT)
    assert output.decode().split() == ['a\\udcffb']
    assert (tmp_path / 'log').read_text() == 'a\\udcffb\n' and (tmp_path / 'log2').read_text() == 'a\\udcffb'


def test_a_name_that_tensorflow_does_not_take_is_one_line(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.run_main(lambda argv: 'photos-\udce9/a'.encode('utf-8'), [], prog='draw')
    assert caught.value.code == 2
    assert capsys.readouterr().err == "draw: error: 'photos-\\udce9/a' is not valid UTF-8; rename the file or folder\n"


def test_run_main_passes_results_and_programming_errors_on():
    with pytest.raises(SystemExit) as caught:
        cli.run_main(lambda argv: 3, [])
    assert caught.value.code == 3
    with pytest.raises(ZeroDivisionError):
        cli.run_main(lambda argv: 1 // 0, [])


def test_writable_dir_looks_but_does_not_create(tmp_path):
    new = str(tmp_path / 'a' / 'b')
    assert cli.writable_dir(new) == new and not (tmp_path / 'a').exists()
    assert cli.writable_dir(str(tmp_path)) == str(tmp_path)
    (tmp_path / 'file').write_text('')
    for path in [tmp_path / 'file', tmp_path / 'file' / 'x']:
        with pytest.raises(dnnlib.UserError, match='file'):
            cli.writable_dir(str(path))


def test_a_drive_that_is_not_there(monkeypatch):
    monkeypatch.setattr(os.path, 'lexists', lambda path: False)
    monkeypatch.setattr(os.path, 'isdir', lambda path: False)
    for path in ('/drive/a/b', 'a/b'):  # a root is its own parent; nothing may look for another one
        with pytest.raises(dnnlib.UserError, match='is not a folder'):
            cli.writable_dir(path)


def test_writable_dir_refuses_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)  # the superuser may write everywhere
    with pytest.raises(dnnlib.UserError, match='cannot be written; choose another'):
        cli.writable_dir(str(tmp_path))


def test_progress_yields_all_and_is_quiet_without_a_terminal():
    code = 'from dnnlib import cli; assert list(cli.progress([1, 2, 3], "things")) == [1, 2, 3]'
    process = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (process.returncode, process.stdout, process.stderr) == (0, b'', b'')


@pytest.mark.skipif(not hasattr(os, 'openpty'), reason='needs a pseudo terminal')
@pytest.mark.parametrize('items', [[1], [1, 2, 3]])
def test_progress_draws_a_bar_on_a_terminal_for_several(items):
    leader, follower = os.openpty()
    shown = []

    def read():
        try:
            for block in iter(lambda: os.read(leader, 1024), b''):
                shown.append(block)
        except OSError:  # Linux's way of saying that the other end is closed
            pass

    reader = threading.Thread(target=read)
    reader.start()
    code = f'from dnnlib import cli; assert list(cli.progress({items}, "things")) == {items}'
    assert subprocess.call([sys.executable, '-c', code], stderr=follower) == 0
    os.close(follower)
    reader.join()
    os.close(leader)
    text = b''.join(shown).decode('utf-8')
    assert ('things' in text and '3/3' in text) if len(items) > 1 else not text
