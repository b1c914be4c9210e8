"""Lists of what is not read of a dataset, in the run directories of the programs that read it."""

from collections import OrderedDict
import contextlib
import csv
import io
import os

from dnnlib import disk
from training.data.files import SKIPPED_HEADER


class SkippedList:
    """A CSV file whose columns are those of the `skipped.csv` that `dataset_tool.py` writes; of no rows there is none.

    A file that is there is added to, so that that of a resumed training is complete.

    Args:
        path: Name of the file.
    """

    def __init__(self, path):
        self._path, self._known = path, set()
        if os.path.exists(path):
            with open(path, encoding='utf-8', newline='') as file:
                self._known = {tuple(row) for row in csv.reader(file)}

    def add(self, rows):
        """Adds rows, (number of the image or '', file, reason), that are not there yet."""
        rows = [SKIPPED_HEADER] + list(rows)
        rows = [tuple(str(cell).encode('utf-8', 'backslashreplace').decode() for cell in row) for row in rows]
        new = [row for row in OrderedDict.fromkeys(rows) if row not in self._known]
        if new and len(rows) > 1:
            lines = io.StringIO()
            csv.writer(lines, lineterminator='\n').writerows(new)
            disk.append_line(self._path, lines.getvalue()[:-1])
            self._known.update(new)

    def add_not_taken(self, not_taken):
        """Adds what is not taken, a list of (name, reason)."""
        self.add(('', name, reason) for name, reason in not_taken)


def list_skipped(dataset, path):
    """Lists in a CSV file what is beside the images of a dataset and is not read, and every image once it is skipped.

    Args:
        dataset: Dataset.
        path: Name of the file, see `SkippedList`.
    """
    table = SkippedList(path)
    table.add_not_taken(dataset.not_taken)

    def add_image(*row):
        with contextlib.suppress(OSError):  # the log has it, and a full disk must not end the training here
            table.add([row])

    dataset.on_skip = add_image
