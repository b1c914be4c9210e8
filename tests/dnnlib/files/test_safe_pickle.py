"""The reader of pickles: equal to the ordinary one on what it knows, and unmoved by everything else."""

import collections
import io
import os
import pickle
import random
import struct
import time

import numpy as np
import pytest

from benchmarks import fuzz_pickles
from dnnlib.files import network_file, pickle_machine, safe_pickle
from dnnlib.util import UserError
from generator import info


def no_globals(name):
    raise UserError('refused: the file asks for {}'.format(name))


def load(data, **kwargs):
    return safe_pickle.load(data, no_globals, **kwargs)[0]


def test_a_file_that_was_cut_is_known_by_its_end(tmp_path):
    data = pickle.dumps({'weights': bytes(range(256)) * 20, 'names': ['a', 'b']}, 4)
    for written, expected in ((data, False), (data + b'more\n', False), (data[:-1], True), (data[:100], True),
                              (data[:8], True), (data[:20] + b'\xff' * 20, False)):
        (tmp_path / 'x.pkl').write_bytes(written)
        assert safe_pickle.is_cut(str(tmp_path / 'x.pkl')) == expected


def random_value(rnd, depth=0):
    """A nested object of all the kinds that are known."""
    kinds = [lambda: None, lambda: rnd.random() < 0.5, lambda: rnd.choice((0, 1, -1, 255, 65536, -2 ** 31, 2 ** 99)),
             lambda: rnd.uniform(-1e9, 1e9), lambda: ''.join(rnd.choice('ab\n"\\é☃') for _ in range(rnd.randrange(9))),
             lambda: bytes(rnd.randrange(256) for _ in range(rnd.choice((0, 3, 200))))]
    if depth < 4:
        kinds += 2 * [lambda: [random_value(rnd, depth + 1) for _ in range(rnd.randrange(5))],
                      lambda: tuple(random_value(rnd, depth + 1) for _ in range(rnd.randrange(5))),
                      lambda: {rnd.choice(('a', 'b', 7, b'k', None)): random_value(rnd, depth + 1)
                               for _ in range(rnd.randrange(4))}]
    return rnd.choice(kinds)()


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_known_objects_are_those_of_the_ordinary_reader(protocol):
    rnd = random.Random(protocol)
    find_global = {'_codecs.encode': lambda text, encoding: text.encode(encoding),
                   '__builtin__.bytes': lambda: b'', 'builtins.bytes': lambda: b''}.get
    for _ in range(200):
        value = [[random_value(rnd)]] * 2
        data = pickle.dumps(value, protocol)
        found, size = safe_pickle.load(data + b'rest', find_global)
        assert found == value and repr(found) == repr(value) and size == len(data)
        assert found[0] is found[1]


def test_texts_of_python_2():
    assert load(b"(S'a\\x00\\n\"'\nU\x02\xe9bT\x03\x00\x00\x00xyzl.") == ['a\x00\n"', '\xe9b', 'xyz']
    assert load(b'U\x02\xc3\xa9.', encoding='utf-8') == '\xe9'


@pytest.mark.parametrize('data, message', [
    (b'', 'truncated'), (b'.', '0 objects'), (b'(.', '1 objects'), (b'K', 'truncated'), (b'NN.', '2 objects'),
    (b'\x80\x06N.', 'protocol 6'), (b'X\xff\xff\xff\xffabc', '4294967295 bytes announced, 3 left'),
    (b'\x8e' + b'\xff' * 8, 'announced'), (b'T\xff\xff\xff\xffab.', 'announced'),
    (b'\x8a\x41' + b'\x00' * 70, '65 bytes'), (b'\x8b\xff\xff\xff\x7f', '2147483647 bytes'),
    (b'I' + b'9' * 200 + b'\n.', '200 digits'), (b'h\x00.', 'object 0'),
    (b'Nj\x01\x00\x00\x00.', 'object 1'), (b'Np99999999999999\n.', 'remember'), (b'(' * 2000, '1000 nested'),
    (b'Na.', 'corrupt'), (b'NNa.', 'items for a NoneType'), (b'](K\x01u.', 'items for a list'),
    (b'}(K\x01u.', 'no value'),
    (b'}(K\x01\x85K\x01u.', 'key of type tuple'), (b'}G' + struct.pack('>d', 1) + b'Ns.', 'key of type float'),
    (b'}\x8a\x08' + b'\x00' * 7 + b'\x20Ns.', 'key of type int'), (b't.', 'no start'), (b'Nb.', 'corrupt'),
    (b'N}b.', 'state for a NoneType'), (b'N)R.', 'call of a NoneType'), (b'cos\nsystem\n.', 'os.system'),
    (b'\x8c\x02os\x8c\x06system\x93.', 'os.system'), (b'NN\x93.', 'not text'), (b'(N ios\nsystem\n', 'instruction'),
    (b'(ios\nsystem\n', "b'i'"), (b'(No.', "b'o'"), (b'\x82\x01.', 'instruction'), (b'Pid\n.', "b'P'"),
    (b'K\x01Q.', 'outside of it'), (b'(\x91.', 'instruction'), (b'\x97.', 'instruction'), (b')\x92.', 'instruction'),
    (b'cabc', 'does not end'), (b"S'abc\n.", 'quotes'), (b'Fx\n.', 'ValueError'), (b'(l0N0.', '0 objects')])
def test_damaged_and_hostile_pickles(data, message):
    with pytest.raises(UserError, match=message.replace('(', r'\(')):
        load(data)


def test_numbers_of_instructions_are_limited(monkeypatch):
    assert pickle_machine.MAX_INSTRUCTIONS == 10 ** 6
    monkeypatch.setattr(pickle_machine, 'MAX_INSTRUCTIONS', 1000)
    with pytest.raises(UserError, match='more than 1000 instructions'):
        load(b'N0' * 1000 + b'N.')


def test_files_that_are_too_long(monkeypatch):
    assert safe_pickle.read_all(io.BytesIO(b'abc'), 3) == b'abc'
    with pytest.raises(UserError, match='larger'):
        safe_pickle.read_all(io.BytesIO(b'abcd'), 3)
    monkeypatch.setattr(safe_pickle, 'MAX_FILE_BYTES', (1 << 24) + 5)
    assert len(safe_pickle.read_all(io.BytesIO(bytes((1 << 24) + 5)))) == (1 << 24) + 5
    with pytest.raises(UserError, match='larger'):
        safe_pickle.read_all(io.BytesIO(bytes((1 << 24) + 6)))


def inert(data):
    return network_file.read_inert(io.BytesIO(data))


def test_containers_that_multiply_are_refused():
    doubling = b']q\x000' + b''.join(b'](h%sh%seq%s0' % (n, n, m) for n, m in [
        (bytes([i]), bytes([i + 1])) for i in range(60)]) + b'h\x3c.'
    for data, message in [(doubling, 'items'), (b']q\x00h\x00a.', 'deep'), (b')' + b'\x85' * 10 ** 5 + b'.', 'deep')]:
        begin = time.process_time()
        with pytest.raises(UserError, match=message):
            inert(b'\x80\x02' + data)
        assert time.process_time() - begin < fuzz_pickles.MAX_SECONDS


def array_pickle(shape, dtype=b'f4', data=b'\x00' * 8, count=1):
    """Pickle of `count` arrays that share their bytes."""
    header = b'\x80\x03C' + bytes([len(data)]) + data + b'q\x000cnumpy\ndtype\nX'
    header += struct.pack('<I', len(dtype)) + dtype + b'K\x00K\x01\x87Rq\x010('
    one = b'cnumpy.core.multiarray\n_reconstruct\n)R(K\x01' + shape + b'h\x01\x89h\x00tb'
    return header + count * one + b'l.'


@pytest.mark.parametrize('args, message', [
    (dict(shape=b'K\x03\x85'), '8 bytes, expected 12'), (dict(shape=b'J\xff\xff\xff\xff\x85'), 'corrupt'),
    (dict(shape=b'\x8a\x08' + b'\xff' * 7 + b'\x3f\x85'), 'expected'),
    (dict(shape=b'K\x02\x85', dtype=b'O8'), 'refused'), (dict(shape=b'K\x02\x85', dtype=b'V4'), 'refused'),
    (dict(shape=b'G' + b'\x00' * 8 + b'\x85'), 'corrupt'),
    (dict(shape=b'K\xc8\x85', data=b'\x00' * 200, dtype=b'u1', count=30000), 'larger than the file')])
def test_arrays_that_lie(args, message):
    assert inert(array_pickle(b'K\x02\x85'))[0].value.tolist() == [0, 0]
    with pytest.raises(UserError, match=message):
        inert(array_pickle(**args))


def text(value):
    """Instruction of a text."""
    return b'X' + struct.pack('<I', len(value)) + value.encode()


def bombs():
    """Small files by name that take hours or all of the memory where copies and messages are not limited."""
    doubling = b']q\x00' + b''.join(b'0(h%sh%slq%s' % (bytes([n]), bytes([n]), bytes([n + 1])) for n in range(60))
    array = (b'cnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87Rq\xf00cnumpy.core.multiarray\n_reconstruct\n)R'
             b'(K\x01%sh\xf0\x89%stbq\x000')
    megabyte = array % (b'J\x00\x00\x10\x00\x85', b'B\x00\x00\x10\x00' + bytes(1 << 20))
    network = b'cdnnlib.tflib.network\nNetwork\n)\x81}(%sub'
    named = b''.join(text('v%d' % i) + b'h\x00\x86' for i in range(5000))
    nested = network % b'' + b'q\x00' + b''.join(b'0' + network % (
        text('components') + b'}(' + text('a') + b'h%s' % bytes([n]) + text('b') + b'h%su' % bytes([n])
    ) + b'q%s' % bytes([n + 1]) for n in range(30))
    pairs = b'(' + b''.join(text('%05d' % i) + b'N\x86' for i in range(20000)) + b'lq\x000'
    ordered = b'0(' + b'ccollections\nOrderedDict\nh\x00\x85R' * 30000 + b'l.'
    return {
        'type': b'cnumpy\ndtype\n' + doubling + b'\x85R.', 'reference': doubling + b'Q.',
        'shape': array % (b'(' + doubling + b't', b'C\x00') + b'.',
        'encode': text('a' * (1 << 20)) + b'q\x000(' + b'c_codecs\nencode\nh\x00h\x00\x86R' * 100000 + b'l.',
        'pairs': b'N' + pairs + ordered, 'set': b'N' + pairs.replace(b'N\x86', b'') + ordered.replace(
            b'collections\nOrderedDict', b'builtins\nset'),
        'array': megabyte + network % (text('variables') + b'(' + named + b'l') + b'.', 'components': nested + b'.'}


@pytest.mark.parametrize('name', sorted(bombs()))
def test_copies_and_messages_are_limited(name):
    resource = pytest.importorskip('resource')
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(UserError):
        info.describe(b'\x80\x04' + bombs()[name])
    assert time.process_time() - begin < fuzz_pickles.MAX_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10  # KiB


def test_reading_does_not_allocate_what_a_file_announces(data_dir):
    resource = pytest.importorskip('resource')
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for piece in fuzz_pickles.payloads():
        for data in (b'\x80\x04' + piece + b'.', (data_dir / 'labels3_r16.pkl').read_bytes()[:1000] + piece):
            with pytest.raises(UserError):
                inert(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def test_mutations_run_nothing(data_dir, tmp_path, monkeypatch):
    """A sample of the study in benchmarks/fuzz_pickles.py."""
    monkeypatch.chdir(str(tmp_path))
    files = fuzz_pickles.small_pickles() + [(data_dir / 'labels3_r16.pkl').read_bytes()]
    mutators, rnd, outcomes = [fuzz_pickles.Mutator(data) for data in files], random.Random(1), collections.Counter()
    for _ in range(600):
        begin = time.process_time()
        outcomes[fuzz_pickles.read(rnd.choice(mutators).mutate(rnd))] += 1
        assert time.process_time() - begin < 10
    assert min(outcomes['read'], outcomes['refused'], outcomes['damaged']) > 50 and os.listdir(str(tmp_path)) == []


def test_the_study_finds_defects(data_dir, tmp_path, monkeypatch):
    """An ordinary reader creates the canary."""
    monkeypatch.chdir(str(tmp_path))
    for piece in fuzz_pickles.payloads()[:2]:
        try:
            pickle.loads(b'\x80\x04' + piece + b'.')
        except OSError:
            pass
        assert os.listdir(str(tmp_path)) == [fuzz_pickles.CANARY]
        os.rmdir(fuzz_pickles.CANARY)


def test_numbers_of_numpy_are_read_by_their_bytes():
    value = [np.float32(1.5), np.int64(-3), np.bool_(True), np.zeros([0, 3], np.float16)]
    found = inert(pickle.dumps(value, 4))
    assert found[:3] == value[:3] and [type(x) for x in found[:3]] == [type(x) for x in value[:3]]
    assert found[3].value.shape == (0, 3) and found[3].value.dtype == np.float16
