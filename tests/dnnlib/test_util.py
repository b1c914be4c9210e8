"""Dictionaries, log files, durations, objects by name, and URLs served by a local server."""

import collections
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time

import pytest

import dnnlib
from dnnlib import util


def test_easy_dict_is_a_dictionary_with_attributes():
    d = dnnlib.EasyDict(a=1)
    d.b = 2
    del d.a
    assert d == {'b': 2} and d.b == 2
    with pytest.raises(AttributeError, match='nope'):
        print(d.nope)
    with pytest.raises(AttributeError, match='nope'):
        del d.nope


def test_user_error_is_a_value_error():
    assert issubclass(dnnlib.UserError, ValueError)


@pytest.mark.parametrize('seconds, text', [
    (0, '0s'), (59.4, '59s'), (59.6, '1m 00s'), (0.5, '0s'), (1.5, '2s'), (3599, '59m 59s'), (3600, '1h 00m 00s'),
    (7384, '2h 03m 04s'), (86399, '23h 59m 59s'), (86400, '1d 00h 00m'), (90061, '1d 01h 01m')])
def test_format_time(seconds, text):
    assert util.format_time(seconds) == text


def test_logger_copies_both_streams_and_restores_them(tmp_path, capsys):
    before = sys.stdout, sys.stderr
    path = tmp_path / 'log.txt'
    with util.Logger(str(path)) as logger:
        assert sys.stdout is logger and sys.stderr is logger
        print('out')
        print('err', file=sys.stderr)
        assert path.read_text() == 'out\nerr\n'  # flushed at once
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr().out == 'out\nerr\n'
    with util.Logger(str(path), 'a'):
        print('more')
    assert path.read_text() == 'out\nerr\nmore\n'


def test_logger_leaves_streams_that_somebody_else_replaced():
    before = sys.stdout, sys.stderr
    logger = util.Logger()
    other = sys.stdout = before[0]
    logger.close()
    assert sys.stdout is other and sys.stderr is before[1]


@pytest.mark.parametrize('raises', [False, True])
def test_quiet_stderr_shows_native_output_only_after_a_failure(raises):
    code = ('import os\nfrom dnnlib.run.logger import quiet_stderr\n'
            'with quiet_stderr():\n    os.write(2, b"native")\n    assert not {}\n'
            'os.write(2, b"after")\n').format(raises)
    process = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE)
    assert (b'native' in process.stderr, b'after' in process.stderr) == (raises, not raises)


def test_atomic_path_leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / 'a.txt'
    util.write_text(str(path), 'old')
    with pytest.raises(RuntimeError):
        with util.atomic_path(str(path)) as temp_path:
            with open(temp_path, 'w') as f:
                f.write('half')
            raise RuntimeError
    assert path.read_text() == 'old' and os.listdir(str(tmp_path)) == ['a.txt']


def test_atomic_path_renames_the_file_when_it_is_whole(tmp_path):
    path = tmp_path / 'a.txt'
    util.write_text(str(path), 'old')
    with util.atomic_path(str(path)) as temp_path:
        with open(temp_path, 'w') as f:
            f.write('new')
        written = os.stat(temp_path).st_ino
        assert path.read_text() == 'old'
    assert path.read_text() == 'new' and os.listdir(str(tmp_path)) == ['a.txt']
    assert os.stat(str(path)).st_ino == written  # a copy would be another file, and half of one for a while


def test_objects_by_name():
    assert util.get_obj_by_name('collections.OrderedDict') is collections.OrderedDict
    assert util.get_obj_by_name('np.random.RandomState').__name__ == 'RandomState'
    assert util.get_module_from_obj_name('os.path.join') == (os.path, 'join')
    assert util.call_func_by_name(2, 3, func_name='builtins.pow') == 8
    assert util.get_top_level_function_name(util.format_time) == 'dnnlib.util.format_time'
    for name in ['no_such_module.f', 'dnnlib.util.nope', 'dnnlib.nope.f']:
        with pytest.raises(ImportError, match=name):
            util.get_obj_by_name(name)


def test_error_inside_a_named_module_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / 'broken_module_for_test.py').write_text('import a_module_that_is_missing')
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ImportError, match='a_module_that_is_missing'):
        util.get_obj_by_name('broken_module_for_test.f')


def test_top_level_functions():
    assert util.is_top_level_function(util.format_time)
    assert not util.is_top_level_function(lambda: 0)
    assert not util.is_top_level_function(3)
    with pytest.raises(dnnlib.UserError):
        util.get_top_level_function_name(lambda: 0)


def test_is_url():
    assert util.is_url('https://host.org/a') and util.is_url('file:///a', allow_file_urls=True)
    for local in ('http://localhost:8000/a.pkl', 'https://[::1]/'):
        assert util.is_url(local) and util.check_protocol(local) is None
    for other in ['gdrive:networks/a.pkl', '/a/b', 'a://b', 'file:///a', '://a.b', 3, None]:
        assert not util.is_url(other)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        if self.path == '/missing':
            self.send_error(404)
        elif self.path == '/busy' and len(self.server.requests) < 3:
            self.send_error(503)
        elif self.path == '/elsewhere':
            self.send_response(302)
            self.send_header('Location', 'http://host.example/file')
            self.end_headers()
        else:
            body = b'' if self.path == '/empty' else b'contents'
            self.send_response(200)
            self.send_header('Content-Type', 'text/html' if self.path == '/page' else 'application/octet-stream')
            self.send_header('Content-Length', str(99 if self.path == '/short' else len(body)))
            if self.path == '/named':
                self.send_header('Content-Disposition', 'attachment; filename="my net.pkl"')
            self.end_headers()
            for byte in [body] if self.path != '/slow' else [body[i:i + 1] for i in range(len(body))]:
                self.wfile.write(byte)
                time.sleep(0.1 if self.path == '/slow' else 0)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    current = http.server.HTTPServer(('127.0.0.1', 0), _Handler)
    current.requests = []
    current.url = 'http://127.0.0.1:{}'.format(current.server_port)
    thread = threading.Thread(target=current.serve_forever, args=(0.01,))
    thread.start()
    yield current
    current.shutdown()
    thread.join()
    current.server_close()


def test_open_url_keeps_the_file_in_the_cache(server, tmp_path):
    url = server.url + '/named'
    for _ in range(2):
        with util.open_url(url, cache_dir=str(tmp_path)) as f:
            assert f.read() == b'contents'
    assert server.requests == ['/named']
    assert os.listdir(str(tmp_path)) == [hashlib.md5(url.encode()).hexdigest() + '_my_net.pkl']


def test_open_url_checks_the_sum_and_repairs_the_cache(server, tmp_path):
    url, right = server.url + '/file', hashlib.sha256(b'contents').hexdigest()
    with pytest.raises(dnnlib.UserError, match=right):
        util.open_url(url, cache_dir=str(tmp_path), sha256='0' * 64)
    assert os.listdir(str(tmp_path)) == []
    util.open_url(url, cache_dir=str(tmp_path), sha256=right).close()
    path, = tmp_path.iterdir()
    path.write_bytes(b'damaged')
    assert util.open_url(url, cache_dir=str(tmp_path), sha256=right).read() == b'contents'
    assert path.read_bytes() == b'contents'


def test_open_url_tries_again_only_where_it_can_help(server, tmp_path):
    assert util.open_url(server.url + '/busy').read() == b'contents'
    assert len(server.requests) == 3
    for path, attempts, message in [('/missing', 1, '404'), ('/empty', 4, '0 of some'), ('/short', 4, '8')]:
        del server.requests[:]
        with pytest.raises(OSError, match=message):
            util.open_url(server.url + path, cache_dir=str(tmp_path), num_attempts=4)
        assert len(server.requests) == attempts
    with pytest.raises(dnnlib.UserError, match='web page'):
        util.open_url(server.url + '/page', cache_dir=str(tmp_path))
    assert os.listdir(str(tmp_path)) == []


def test_open_url_fetches_by_https_only(server, tmp_path):
    for url in ['http://host.example/file', 'ftp://host.example/file', 'http://127.0.0.1.example/file']:
        with pytest.raises(dnnlib.UserError, match='only https'):
            util.open_url(url, cache_dir=str(tmp_path))
    with pytest.raises(dnnlib.UserError, match='http://host.example/file: only https'):
        util.open_url(server.url + '/elsewhere', cache_dir=str(tmp_path))
    assert os.listdir(str(tmp_path)) == []


def test_open_url_stops_at_the_largest_size(server, tmp_path):
    assert util.open_url(server.url + '/file', max_bytes=8).read() == b'contents'
    with pytest.raises(dnnlib.UserError, match='larger than 7 bytes'):
        util.open_url(server.url + '/file', cache_dir=str(tmp_path), max_bytes=7)
    with pytest.raises(dnnlib.UserError, match='larger than 98 bytes'):  # it says that it will send 99
        util.open_url(server.url + '/short', cache_dir=str(tmp_path), max_bytes=98)
    assert os.listdir(str(tmp_path)) == []


def test_open_url_stops_after_a_time(server):
    assert util.open_url(server.url + '/slow', max_seconds=60).read() == b'contents'
    with pytest.raises(OSError, match='/slow: incomplete after 0s'):
        util.open_url(server.url + '/slow', num_attempts=1, max_seconds=0.2)


def test_messages_do_not_show_what_a_url_hides(server):
    secret = server.url.replace('http://', 'http://me:secret@') + '/missing?token=secret#secret'
    assert util.public_url(secret) == server.url + '/missing'
    assert util.public_url('a?b/c#d@e.pkl') == 'a?b/c#d@e.pkl'  # a path
    for url in [secret, 'ftp://me:secret@host.example/a?token=secret', 'https://me:secret@host.example/a?token=secret',
                'me:secret@host']:
        with pytest.raises((OSError, dnnlib.UserError)) as info:
            util.open_url(url, num_attempts=1)
        if '://' in url:
            assert 'secret' not in str(info.value) and util.public_url(url) in str(info.value)


def test_open_url_reads_file_urls_and_refuses_paths(tmp_path):
    (tmp_path / 'a b').write_bytes(b'x')
    with util.open_url((tmp_path / 'a b').as_uri()) as f:
        assert f.read() == b'x'
    with pytest.raises(dnnlib.UserError, match='no-url'):
        util.open_url('no-url')


@pytest.mark.parametrize('text, expected', [
    ('one\ntwo', 'one'), ('\n  one  \ntwo', 'one'), ('', 'ValueError'),
    ('Graph execution error:\n', 'Graph execution error:'),
    ("Graph execution error:\n\nDetected at node 'A/B' defined at (most recent call last):\n  File 'x.py', line 3\n"
     "Node: 'A/B'\nbad : Tensor had NaN values\n\t [[{{node A/B}}]]", 'bad : Tensor had NaN values'),
    ('Graph execution error:\n\nno kernel', 'no kernel'),
    ('2 root error(s) found.\n  (0) Invalid argument: bad\n  (1) x', '(0) Invalid argument: bad')])
def test_the_line_that_says_what_was_wrong(text, expected):
    assert util.first_line(ValueError(text)) == expected


def test_importing_dnnlib_does_not_import_tensorflow():
    code = 'import sys, dnnlib, dnnlib.cli, dnnlib.images; sys.exit("tensorflow" in sys.modules)'
    assert subprocess.call([sys.executable, '-c', code]) == 0
