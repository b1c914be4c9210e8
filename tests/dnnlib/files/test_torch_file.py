"""PyTorch's files: what we write is read back, and files that lie or ask for something else are refused."""

import io
import os
import pickle
import time
import zipfile

import numpy as np
import pytest

from dnnlib.files import network_file, torch_file, torch_writer
from dnnlib.util import UserError
from tests.metrics.features import weight_writers


def number(value):
    """Instruction of an integer."""
    return b'\x8a\x09' + value.to_bytes(9, 'little', signed=True)


def text(value):
    """Instruction of a text."""
    return b'X' + len(value).to_bytes(4, 'little') + value.encode()


def tensor(shape, strides, offset=0, key='0'):
    """Instructions of a tensor."""
    data = b'ctorch._utils\n_rebuild_tensor_v2\n((' + text('storage') + b'ctorch\nFloatStorage\n'
    data += text(key) + text('cpu') + number(4) + b'tQ' + number(offset)
    for sizes in (shape, strides):
        data += b'(' + b''.join(map(number, sizes)) + b't'
    return data + b'\x89ccollections\nOrderedDict\n)RtR'


def archive(values, storages=None, compression=zipfile.ZIP_STORED):
    """A file with a dictionary of instructions by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', compression) as f:
        f.writestr('a/data.pkl', b'\x80\x02}(' + b''.join(text(k) + v for k, v in values.items()) + b'u.')
        for key, data in (storages or {'0': np.arange(4, dtype=np.float32).tobytes()}).items():
            f.writestr('a/data/' + key, data)
    return out.getvalue()


def load(data):
    return torch_file.load(io.BytesIO(data))


def test_what_we_write_is_read_back(tmp_path):
    path = str(tmp_path / 'a.pt')
    rnd = np.random.RandomState(0)
    content = {'config': '{"ä": 1}', 'number': -5, 'state': {
        'matrix': rnd.randn(3, 4).T, 'half': np.float16([1, 2]), 'whole': np.arange(6).reshape(1, 2, 3),
        'scalar': np.float32(2.5), 'empty': np.zeros([0, 3], np.float32), 'big': np.float32([1, 2]).astype('>f4')}}
    torch_writer.save(content, path)
    with open(path, 'rb') as f:
        first = f.read()
    found = load(first)
    assert found['config'] == content['config'] and found['number'] == -5
    for name, value in content['state'].items():
        array = found['state'][name].value
        np.testing.assert_array_equal(array, value)
        assert array.shape == np.shape(value) and array.dtype == value.dtype.newbyteorder('=')
    torch_writer.save(content, path)
    with open(path, 'rb') as f:
        assert f.read() == first  # no date in it
    for value in (None, [1], np.zeros(2, complex)):
        with pytest.raises(UserError, match='cannot be written'):
            torch_writer.save({'a': value}, path)
    with open(path, 'rb') as f:
        assert f.read() == first


def test_windows_into_a_storage():
    found = load(archive({'a': tensor([2, 2], [1, 2]), 'b': tensor([3], [1], 1), 'c': tensor([], [], 2),
                          'd': tensor([2, 3], [1, 0])}))
    assert [found[name].value.tolist() for name in 'abcd'] == [
        [[0, 2], [1, 3]], [1, 2, 3], 2, [[0, 0, 0], [1, 1, 1]]]


@pytest.mark.parametrize('value, message', [
    (tensor([5], [1]), 'beyond its values'), (tensor([2], [1], 3), 'beyond its values'),
    (tensor([2, 2], [1, 3]), 'beyond its values'), (tensor([2], [-1], 3), 'corrupt: a tensor of shape'),
    (tensor([-2], [1]), 'corrupt: a tensor of shape'), (tensor([2], [1], -1), 'corrupt'),
    (tensor([2, 2], [1]), 'corrupt: a tensor'), (tensor([1] * 40, [1] * 40), 'corrupt'),
    (tensor([1 << 38], [0]), 'larger than the file'), (tensor([1 << 60], [0]), 'corrupt'),
    (tensor([0, 1 << 60], [1, 1]), 'corrupt'), (tensor([2], [1], key='7'), "no item named 'a/data/7'"),
    (tensor([2], [1]).replace(b'FloatStorage', b'QuantStorage'), 'refused: the file refers to torch.QuantStorage'),
    (b'cos\nmkdir\n' + text('made') + b'\x85R', 'refused: the file refers to os.mkdir'),
    (b'ctorch._utils\n_rebuild_tensor_v2\n)R', 'corrupt'), (text('x') + b'Q', 'no storage of numbers'),
    (b'ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00))tR', 'corrupt: a tensor'),
    (b'ctorch\nFloatStorage\n)R', 'refused: an empty storage'),
    (b'ctorch.storage\n_load_from_bytes\n' + text('x') + b'\x85R', 'refused: the file refers to torch.storage')])
def test_tensors_that_lie_and_other_objects(value, message, tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    data = archive({'a': value})
    with pytest.raises(UserError, match=message):
        load(data)['a'].value
    assert os.listdir(str(tmp_path)) == []


def test_many_tensors_of_the_same_numbers_are_refused():
    one = tensor([2000], [0])
    assert load(archive({'a': one}))['a'].value.shape == (2000,)
    with pytest.raises(UserError, match='larger than the file'):
        load(archive({str(i): one for i in range(200)}))


def test_archives_that_lie(tmp_path):
    good = archive({'a': tensor([2], [1])})
    for data, message in [
            (archive({'a': tensor([2], [1])}, compression=zipfile.ZIP_DEFLATED), 'compressed'),
            (good.replace(b'a/data.pkl', b'a/data.pk_'), 'without data.pkl'), (good[:-30], 'truncated'),
            (archive({'a': tensor([2], [1])}, {'0': b'abc'}), 'corrupt')]:
        with pytest.raises(UserError, match=message):
            load(data)
    at = good.index(b'storage')
    with pytest.raises(UserError, match='CRC'):
        load(good[:at] + b'S' + good[at + 1:])


def test_refused_names_are_collected():
    refused = []
    data = archive({'a': tensor([2], [1]), 'b': b'cos\nmkdir\n' + text('made') + b'\x85R'})
    found = torch_file.load(io.BytesIO(data), refused)
    assert refused == ['os.mkdir'] and found['b'].name == 'os.mkdir' and found['a'].value.tolist() == [0, 1]


def inert(data, **kwargs):
    return network_file.read_inert(b'\x80\x04' + data + b'.', **kwargs)


def storage(values):
    """Instructions of a storage inside of a pickle: a file in a file."""
    state = weight_writers.torch_file({'a': np.float32(values)}, zipped=False)
    pid = state.index(b'(X\x07\x00\x00\x00storage')
    begin = state.rindex(b'\x80\x02', 0, pid)
    end = state.index(b'Q', pid) + 1
    keys = state.index(b'\x80\x02]', end)
    data = state[:begin] + b'\x80\x02' + state[pid:end] + b'.' + state[keys:]
    return b'ctorch.storage\n_load_from_bytes\nB' + len(data).to_bytes(4, 'little') + data + b'\x85R'


def module(state):
    """Instructions of a module with the given instructions as its state."""
    meta = {'type': text('class'), 'class_name': text('G'), 'module_src': text('import os'), 'state': state}
    return (b'ctorch_utils.persistence\n_reconstruct_persistent_obj\n}(' +
            b''.join(text(key) + value for key, value in meta.items()) + b'u\x85R')


def items(**values):
    return b'}(' + b''.join(text(key) + value for key, value in values.items()) + b'u'


def test_modules_of_pickles():
    weight = b'ctorch._utils\n_rebuild_tensor_v2\n(' + storage([1, 2, 3]) + number(1) + b'(' + number(2) + b't(' + \
        number(1) + b't\x89}tR'
    inner = module(items(_parameters=items(weight=weight), _buffers=b'}', _modules=b'}', names=b'\x8f('
                         + text('b') + b'\x90', old=b'cbuiltins\nset\n](' + text('a') + b'e\x85R', act=text('lrelu')))
    found = inert(module(items(_modules=items(fc=inner), _parameters=b'}', _buffers=b'}')))
    assert found.class_name == 'G' and found.source == 'import os'
    assert {name: value.tolist() for name, value in found.tensors().items()} == {'fc.weight': [2, 3]}
    (_, _), (path, state) = found.parts()
    assert path == 'fc.' and state['act'] == 'lrelu' and state['names'] == {'b'} and state['old'] == {'a'}


@pytest.mark.parametrize('data, message', [
    (b'ctorch_utils.persistence\n_reconstruct_persistent_obj\n)R', 'corrupt'),
    (b'ctorch_utils.persistence\n_reconstruct_persistent_obj\nN\x85R', 'corrupt: an object with its source'),
    (b'ctorch.storage\n_load_from_bytes\nN\x85R', 'corrupt'),
    (b'ctorch.storage\n_load_from_bytes\nC\x03abc\x85R', 'corrupt'),
    (b'cbuiltins\nset\n]K\x01\x85a\x85R', 'key of type tuple'), (b'\x8f(\x8f\x90', 'key of type set'),
    (b'](K\x01\x90', 'items for a list'), (b'carch\nNamespace\n)\x81', 'refused: the file asks for arch.Namespace'),
    (b'ctorch.nn.modules.linear\nLinear\n)\x81', 'refused: the file asks for torch.nn.modules.linear.Linear')])
def test_modules_that_lie(data, message):
    with pytest.raises(UserError, match=message):
        inert(data)


def test_modules_that_hold_themselves():
    both = text('_modules') + b'}(' + text('a') + b'h\x01' + text('b') + b'h\x01u'
    loop = module(b'}q\x00') + b'q\x010h\x00(' + both + b'u0h\x01'
    with pytest.raises(UserError, match='over and over'):
        inert(loop).parts()


def test_storages_read_again_and_again():
    """Files in a file that is read a hundred thousand times would take minutes."""
    call = storage(np.zeros(1000))
    data = call[call.index(b'B'):-2] + b'q\x000ctorch.storage\n_load_from_bytes\nq\x010'
    data += b'h\x01h\x00\x85R0' * 100000 + b'N'
    begin = time.time()
    with pytest.raises(UserError, match='larger than the file'):
        inert(data)
    assert time.time() - begin < 5


def test_the_ordinary_reader_agrees_about_the_pickles_here():
    """The hand-written instructions are a pickle: tensors have the parts that they should have."""
    class Reader(pickle.Unpickler):
        def find_class(self, module, name):
            return (lambda *args: args) if module != 'collections' else dict

        def persistent_load(self, pid):
            return pid[2]
    data = b'\x80\x02' + tensor([2, 3], [3, 1], 5) + b'.'
    assert Reader(io.BytesIO(data)).load()[:4] == ('0', 5, (2, 3), (3, 1))


def test_copies_and_numbers_are_limited():
    values = {'0': bytes(4 << 20)}
    one = tensor([1 << 20], [1]).replace(number(4), number(1 << 20), 1)
    pair = archive({'a': one + b'q\x00', 'b': b'h\x00'}, values)
    assert sorted(torch_file.load_state_dict(io.BytesIO(pair))) == ['a', 'b']
    many = archive(dict([('a', one + b'q\x00')] + [('a%d' % i, b'h\x00') for i in range(3000)]), values)
    begin = time.process_time()
    with pytest.raises(UserError, match='too often'):
        torch_file.load_state_dict(io.BytesIO(many))
    large = b'\x8a\x3f' + b'\x01' * 63 + b'q\x000(' + b'h\x00' * 200000 + b'tq\x010'
    with pytest.raises(UserError, match='a tensor of shape'):
        load(archive({'a': b'N' + large + tensor([], []).replace(b'((', b'((', 1).replace(b'(t(t', b'h\x01(t')}))
    assert time.process_time() - begin < 5
