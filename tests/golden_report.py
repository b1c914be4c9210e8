"""The golden report: what each array of a folder of golden values is used for, and how far results are from it.

    python -m tests.golden_report translation
    python -m tests.golden_report domains --arrays

runs the tests that own the files of tests/data/FOLDER, by `tests.training.golden_FOLDER.FILES`, in this process. Those
that compare results by `golden_files.Files.compare`, or tell them to its `note`, have their deviations in the table;
the exit code is 0 if the tests pass and every array is used or left out for a reason.
"""

import argparse
import glob
import importlib
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROW = '{:<28} {:>6} {:>8} {:>6} {:>8}  {:>9} {:>9} {:>6}  {}'


def folders():
    """Names of the folders that have a module with `FILES`."""
    found = glob.glob(os.path.join(HERE, 'training', 'golden_*.py'))
    return sorted({os.path.basename(path)[len('golden_'):-len('.py')] for path in found} - {'files'})


def main(argv):
    """Runs the tests of a folder and prints the report; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', choices=folders())
    parser.add_argument('--arrays', action='store_true', help='a line for each array instead of each case')
    args = parser.parse_args(argv)
    files = importlib.import_module('tests.training.golden_' + args.folder).FILES
    owners = [path_of(name) for name in files.owners]
    code = pytest.main(['-q', '-p', 'no:cacheprovider', '--no-header'] + owners)
    lines, num_unused = report(files, args.arrays)
    print('\n'.join([''] + lines))
    return int(code) or (1 if num_unused else 0)


def path_of(owner):
    """Path of a file of `Files.owners`: below tests/training or, if there is no such file, below tests."""
    paths = [os.path.join(HERE, *folder, *owner.split('/')) for folder in (['training'], [])]
    return next((path for path in paths if os.path.exists(path)), paths[0])


def report(files, by_array=False):
    """The report of what tests of this process compared.

    Args:
        files: golden_files.Files.
        by_array: A line for each array that is compared instead of one for each case?
    Returns: (lines of text, number of arrays that nothing used and no reason leaves out).
    """
    lines, totals = [ROW.format('case', 'arrays', 'compared', 'given', 'left out', 'deviation', 'allowed', 'of it',
                                'in array')], [0] * 5
    for case in sorted(case for cases in files.owners.values() for case in cases):
        noted = {key: found for (name, key), found in files.noted.items() if name == case}
        given, unused = files.arrays(case), files.unused(case)
        left_out = [key for key in given if key not in given.used and key not in unused]
        counts = [len(given), len(noted), len(given) - len(noted) - len(left_out) - len(unused), len(left_out),
                  len(unused)]
        totals = [a + b for a, b in zip(totals, counts)]
        worst = sorted(noted, key=lambda key: -noted[key].share)
        lines += [_row(case if not by_array or i == 0 else '', counts if i == 0 else [''] * 4, noted[key], key)
                  for i, key in enumerate(worst if by_array else worst[:1])]
        lines += [] if worst else [_row(case, counts, None, '')]
        lines += [f'    NOT USED: {", ".join(unused)}'] if unused else []
    lines.append(_row('all', totals, None, ''))
    lines.append('given: inputs, names, random choices. of it: share of what is allowed. Left out:')
    lines += [f'    {cases}, {part}: {reason}' for cases, part, reason in files.left_out]
    return lines, totals[-1]


def _row(case, counts, found, key):
    numbers = ('', '', '') if found is None else (f'{found.error:.2g}', f'{found.allowed:.2g}', f'{found.share:.0%}')
    return ROW.format(case, *counts[:4], *numbers, key).rstrip()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
