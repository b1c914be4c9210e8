"""What the sheets and the metrics of a training see of one side: pictures without anything random."""

from training.data.base import Dataset


def any_size(shape, name):
    """Number of levels of images of any size, of which only the full size is used; networks check theirs."""
    del shape, name
    return 2


class Sheet(Dataset):
    """Pictures of a TranslationDataset without anything random.

    Args:
        data: TranslationDataset.
        source: One of its sources.
        numbers: Places in it.
        partners: TranslationDatasets whose sheets belong to it, picture by picture: no part of a pair is shown alone.
        bad: See Dataset.
    """

    _check_shape = staticmethod(any_size)

    def __init__(self, data, source, numbers, partners=(), bad='stop'):
        super().__init__(data.name, len(numbers), data.view_shape, shuffle_mb=0, bad=bad)
        self._view = lambda index: data.view(source, numbers[index])
        self.where = lambda index: source.where(numbers[index])
        self._partners = partners if bad == 'skip' else ()

    def _read(self, index, lod):
        for partner in self._partners:
            partner.can_open(index, shown=True)
        return self._view(index)
