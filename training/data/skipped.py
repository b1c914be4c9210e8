"""Lists of what is not read of a dataset, in the run directories of the programs that read it."""

from collections import OrderedDict
import contextlib
import csv
import glob
import io
import os

from dnnlib import disk
from training.data.files import SKIPPED_FILE, SKIPPED_HEADER
from training.data.sources import ImageFiles, not_taken_lines


def list_skipped(dataset, path):
    """Lists in a CSV file what is beside the images of a dataset and is not read, and every image once it is skipped.

    A file that is there is added to, so that that of a resumed training is complete. Without anything to list there
    is none.

    Args:
        dataset: Dataset, or ImageFiles.
        path: Name of the file; its columns are those of the `skipped.csv` that `dataset_tool.py` writes.
    """
    known = set()
    if os.path.exists(path):
        with open(path, encoding='utf-8', newline='') as file:
            known = {tuple(row) for row in csv.reader(file)}

    def add(*rows):
        rows = [tuple(str(cell).encode('utf-8', 'backslashreplace').decode() for cell in row) for row in rows]
        new = [row for row in OrderedDict.fromkeys(rows) if row not in known]
        if new:
            lines = io.StringIO()
            csv.writer(lines, lineterminator='\n').writerows(new)
            disk.append_line(path, lines.getvalue()[:-1])
            known.update(new)

    def add_image(*row):
        with contextlib.suppress(OSError):  # the log has it, and a full disk must not end the training here
            add(SKIPPED_HEADER, row)

    if dataset.not_taken:
        add(SKIPPED_HEADER, *[('', name, reason) for name, reason in dataset.not_taken])
    dataset.on_skip = add_image


def tell_not_taken(path, run_dir):
    """Prints what is not taken of a folder or zip of images, and lists it in `skipped.csv`; of other datasets nothing.

    Args:
        path: Folder, zip or other dataset.
        run_dir: Folder of the list.
    Raises: UserError if there are no images.
    """
    if not os.path.exists(path) or glob.glob(os.path.join(glob.escape(path), '*.tfrecords')):
        return
    with contextlib.closing(ImageFiles(path)) as source:
        for line in not_taken_lines(source.not_taken):
            print(line)
        list_skipped(source, os.path.join(run_dir, SKIPPED_FILE))
