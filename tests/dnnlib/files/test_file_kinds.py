"""Files that are taken for networks are named as what they are."""

import io

import pytest

import run_generator
from dnnlib.files import array_file, file_kinds, network_file, torch_file
from dnnlib.util import UserError
from training import pretrained

LFS = b'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\n'


@pytest.mark.parametrize('start, kind', [
    (b'<!DOCTYPE html><html><head>', 'web page'), (b'\xef\xbb\xbf\r\n <HTML lang="en">', 'web page'),
    (LFS, 'git lfs pull'), (b'', 'empty'), (b'<?xml version="1.0"?><Error><Code>AccDenied', 'XML'),
    (b'\x89PNG\r\n\x1a\n', 'PNG picture'),
    (b'BZh91AY&SY', 'bzip2'), ('<html>'.encode('utf-16'), 'PowerShell'),
    (b'\xfe\xff' + '{}'.encode('utf_16_be'), 'in UTF-16'), (b'\x28\xb5\x2f\xfd\x04', 'Zstandard'),
    (b'\x1f\x8b\x08\x00', 'gzip'), (b'a' * 100 + b'\0' * 157 + b'ustar\x0000', 'tar archive'),
    (b'{"error": "not found"}', "'{\"error\": \"not found\"}'"), (b'not found\n', "'not found'"),
    (b'\x93NUMPY\x01\x00', 'NumPy array')])
def test_other_files_are_named(tmp_path, start, kind):
    assert kind in file_kinds.kind_of(start)
    path = tmp_path / 'net.pkl'
    path.write_bytes(start)
    with pytest.raises(UserError) as error:
        pretrained.check_network_file(str(path))
    assert f"net.pkl' is not a network file: it is {file_kinds.kind_of(start)}" in str(error.value)
    for read in (network_file.read_inert, lambda data: torch_file.load(io.BytesIO(data)), pretrained.read_states):
        with pytest.raises(UserError) as error:
            read(start)
        assert file_kinds.kind_of(start) in str(error.value)


def test_files_of_networks_are_not_named(data_dir):
    paths = sorted(list(data_dir.glob('*.pkl')) + list(data_dir.glob('*.pt')) + list(data_dir.glob('*.npz')))
    assert len(paths) > 10
    for path in paths:
        data = path.read_bytes()
        assert file_kinds.kind_of(data[:file_kinds.START]) is None and not file_kinds.is_cut(data), path


@pytest.mark.parametrize('kind', ['pkl', 'npz', 'safetensors', 'pt'])
def test_cut_downloads(data_dir, tmp_path, kind):
    path, source = tmp_path / ('net.' + kind), 'labels3_r16.pkl'
    if kind == 'pt':
        path.write_bytes((data_dir / 'mit_r16.pt').read_bytes())
    elif kind == 'pkl':
        path.write_bytes((data_dir / source).read_bytes())
    else:
        array_file.save(network_file.read_inert((data_dir / source).read_bytes()), str(path), kind)
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    for command in (['info', str(path)], ['export', str(path), str(tmp_path / 'again.npz')]):
        with pytest.raises(UserError, match=r'net.{}: (corrupt or |)truncated: the file ends after {:,} bytes'.format(
                kind, len(data) // 2)):
            run_generator.main(command)


def test_a_page_of_a_download_server(data_dir):
    path = str(data_dir / 'users' / 'gdrive-page.pkl')
    with pytest.raises(UserError, match='gdrive-page.pkl.* it is a web page'):
        pretrained.check_network_file(path)
    with pytest.raises(UserError, match='gdrive-page.pkl: .*it is a web page'):
        run_generator.main(['info', path])
