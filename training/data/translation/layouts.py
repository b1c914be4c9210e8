"""Where the sides of the published datasets are: `trainA trainB testA testB`, A and B side by side, label maps."""

import os
import zipfile
from collections import OrderedDict

from dnnlib.util import UserError
from training.data.files import HIDDEN

TESTS = ('test', 'val')
UNPAIRED, PAIRED, LABELS = 'unpaired', 'paired', 'labels'  # kinds of data


def folders_of(path):
    """Folders in a folder, or in a zip, there below what all its files have in common: {name: path inside}.

    Args:
        path: Folder or zip.
    """
    if os.path.isdir(path):
        return OrderedDict((name, name) for name in sorted(os.listdir(path))
                           if not name.startswith(HIDDEN) and os.path.isdir(os.path.join(path, name)))
    if not zipfile.is_zipfile(path):
        return OrderedDict()
    with zipfile.ZipFile(path) as archive:
        parts = [name.replace('\\', '/').split('/')[:-1] for name in archive.namelist() if not name.endswith('/')]
    parts = [folders for folders in parts if not any(folder.startswith(HIDDEN) for folder in folders)]
    top = os.path.commonprefix(parts)
    names = sorted({folders[len(top)] for folders in parts if len(folders) > len(top)})
    return OrderedDict((name, '/'.join(top + [name])) for name in names)


def phases(path):
    """Where the pictures to train and to test with are in a folder or zip: {train, test}, paths inside; what is not
    there is left out, all of it if all pictures are to be trained on."""
    folders = folders_of(path)
    if 'train' not in folders:
        return {}
    test = next((folders[name] for name in TESTS if name in folders), None)
    return dict(train=folders['train'], **({} if test is None else dict(test=test)))


def find(path, kind):
    """The streams of a folder or zip that holds all sides.

    Args:
        path: Folder or zip.
        kind: UNPAIRED: trainA and trainB; PAIRED: the same, train_A and train_B, or pictures side by side, in `train`
            or without folders; LABELS: train_label (or train_A), train_img (train_B) and perhaps train_inst.
    Returns: OrderedDict {stream: {train, test, half}}, see TranslationDataset; what isn't needed is left out.
    Raises: UserError if there are no such sides.

    Prints which folders to test with are left out because another stream has none.
    """
    folders = folders_of(path)
    if kind == LABELS:
        for a, b in (('_label', '_img'), ('_A', '_B')):
            found = _sides(folders, OrderedDict(a=a, b=b, inst='_inst'))
            if {'a', 'b'} <= set(found):
                return found
        raise UserError(f'{path}: expected the folders train_label, train_img and, for instances, train_inst; found '
                        f'{_listed(folders)}')
    for ends in (OrderedDict(a='A', b='B'), OrderedDict(a='_A', b='_B')):
        found = _sides(folders, ends)
        if len(found) == 2:
            return found
    if kind == UNPAIRED or any(name.startswith(('trainA', 'trainB', 'train_')) for name in folders):
        more = '' if kind == UNPAIRED else ', or pictures of pairs side by side'
        raise UserError(f'{path}: expected the folders trainA and trainB{more}; found {_listed(folders)}; or give both '
                        'sides with --dataset-a and --dataset-b')
    side = phases(path)
    return OrderedDict((stream, dict(side, half=half)) for stream, half in (('a', 'left'), ('b', 'right')))


def _sides(folders, ends):
    """{stream: {train, test}} of folders that are named `train` or `test` and the end of the stream."""
    found = OrderedDict((stream, dict(train=folders['train' + end])) for stream, end in ends.items()
                        if 'train' + end in folders)
    if len(found) < 2:
        return found
    for test in TESTS:
        there = [test + ends[stream] for stream in found if test + ends[stream] in folders]
        if len(there) == len(found):
            for stream, side in found.items():
                side['test'] = folders[test + ends[stream]]
            break
        if there:
            missing = [test + ends[stream] for stream in found if test + ends[stream] not in folders]
            print(f'Left out: {" and ".join(there)}, as there is no {" or ".join(missing)}')
    return found


def _listed(folders):
    return ', '.join(list(folders)[:8]) or 'no folders'
