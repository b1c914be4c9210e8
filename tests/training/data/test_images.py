"""Pictures from files: decoded in one piece, as planes."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from dnnlib import UserError
from training.data import files as data_files
from training.data.images import open_image, to_array


def encoded(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def random_pixels(*shape):
    return np.random.RandomState(0).randint(256, size=shape).astype(np.uint8)


def test_a_jpeg_whose_end_is_missing_is_refused():
    """Also where it is larger than what Pillow reads at a time."""
    data = encoded(random_pixels(256, 256, 3), 'JPEG', quality=95)
    assert len(data) > 2 ** 16 and to_array(open_image(data, 'x.jpg')).shape == (3, 256, 256)
    for size in (2 ** 16 + 100, len(data) - 50):
        with pytest.raises(UserError, match='x.jpg: unreadable image .the end of the file is missing'):
            open_image(data[:size], 'x.jpg')


def test_planes_are_those_of_the_pixels():
    for mode in ('L', 'RGB', 'RGBA'):
        pixels = random_pixels(70, 50, len(mode))
        image = Image.fromarray(pixels.squeeze())
        assert image.mode == mode
        np.testing.assert_array_equal(to_array(image), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize('is_zip', [False, True])
def test_files_that_are_too_large_are_refused(tmp_path, monkeypatch, is_zip):
    data = encoded(random_pixels(8, 8), 'PNG')
    if is_zip:
        with zipfile.ZipFile(str(tmp_path / 'x.zip'), 'w') as archive:
            archive.writestr('a.png', data)
    else:
        (tmp_path / 'a.png').write_bytes(data)
    files = data_files.Files(str(tmp_path / 'x.zip' if is_zip else tmp_path))
    assert files.read_bytes('a.png') == data
    monkeypatch.setattr(data_files, 'MAX_FILE_BYTES', len(data) - 1)
    with pytest.raises(UserError, match='a.png: unreadable image .over 1 GiB'):
        files.read_bytes('a.png')
    files.close()


def test_files_of_which_the_system_gives_parts_are_read_whole(tmp_path, monkeypatch):
    read = data_files.os.read
    monkeypatch.setattr(data_files.os, 'read', lambda descriptor, size: read(descriptor, min(size, 7)))
    (tmp_path / 'a.txt').write_bytes(bytes(range(100)))
    files = data_files.Files(str(tmp_path))
    assert files.read_bytes('a.txt') == bytes(range(100))

    class Status:
        st_size = 0
    monkeypatch.setattr(data_files.os, 'fstat', lambda descriptor: Status)  # it knows no sizes
    assert files.read_bytes('a.txt') == bytes(range(100))
    monkeypatch.setattr(data_files, 'MAX_FILE_BYTES', 99)
    with pytest.raises(UserError, match='over 1 GiB'):
        files.read_bytes('a.txt')
