"""What a file really is that someone takes for a network or an array: web pages, pointers of Git LFS, cut downloads."""

_HTML = (b'<!doctype html', b'<html', b'<head', b'<body', b'<script', b'<!--', b'<title', b'<meta')
_STARTS = (
    (b'version https://git-lfs', 'a pointer of Git LFS, not the file itself; run "git lfs pull", or download the file'),
    (b'<?xml', 'an XML text, such as the error message of a download server; download the file again'),
    (b'\x93NUMPY', 'a NumPy array (.npy)'),
    (b'\x89PNG\r\n', 'a PNG picture'), (b'\xff\xd8\xff', 'a JPEG picture'), (b'GIF8', 'a GIF picture'),
    (b'\x89HDF\r\n', 'an HDF5 file, as Keras writes them'), (b'%PDF', 'a PDF document'),
    (b'\x1f\x8b', 'a gzip archive; unpack it and give the file that is in it'),
    (b'7z\xbc\xaf', 'a 7z archive; unpack it and give the file that is in it'),
    (b'Rar!', 'a RAR archive; unpack it and give the file that is in it'),
    (b'\xfd7zXZ', 'an xz archive; unpack it and give the file that is in it'),
    (b'BZh', 'a bzip2 archive; unpack it and give the file that is in it'),
    (b'\x28\xb5\x2f\xfd', 'a Zstandard archive; unpack it and give the file that is in it'),
    (b'\xff\xfe', 'a text in UTF-16, as ">" of PowerShell writes it; download the file itself'),
    (b'\xfe\xff', 'a text in UTF-16; download the file itself'),
)
_TAR_AT = 257
START = 512  # bytes that `kind_of` looks at
_ZIP_END = 22 + (1 << 16)  # bytes of a zip's last record and of the longest comment in it


def kind_of(start):
    """What a file is, with what to do about it, for `this file is ...`; None for all that may be a network or arrays.

    Args:
        start: The first START bytes, or all of a shorter file.
    """
    if not start:
        return 'empty; download it again'
    text = start.lstrip(b'\xef\xbb\xbf \t\r\n')
    if text[:16].lower().startswith(_HTML):
        return 'a web page (HTML), not the file behind it; open the link in a browser and download the file itself'
    for magic, kind in _STARTS:
        if start.startswith(magic):
            return kind
    if start[_TAR_AT:_TAR_AT + 5] == b'ustar':
        return 'a tar archive; unpack it and give the file that is in it'
    if all(byte in b'\t\r\n\x0c' or 32 <= byte < 127 for byte in start[:64]):
        line = text.splitlines()[0] if text.strip() else b''
        return f'a text that begins with {line[:30].decode("ascii", "replace")!r}'
    return None


def is_what(start, otherwise):
    """`is ...` of `kind_of`, or another half of a sentence."""
    kind = kind_of(start)
    return otherwise if kind is None else f'is {kind}'


def is_cut(data):
    """Do the bytes of a pickle or a zip archive end in the middle of it, as after a download that broke off?"""
    if data[:4] == b'PK\x03\x04':
        return b'PK\x05\x06' not in data[-_ZIP_END:]
    return data[:1] == b'\x80' and data[-1:] != b'.'


def cut_message(size):
    """What to say of a file that ends in the middle; size: its bytes."""
    return f'truncated: the file ends after {size:,} bytes, in the middle of its contents; download or copy it again'
