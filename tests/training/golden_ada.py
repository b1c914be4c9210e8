"""The golden values of tests/data/ada, which README.md there describes."""

import os

from tests.training.golden_files import Files

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'ada')
FILES = Files(DATA, owners={
    'augment/test_golden.py': ('augment',),
    'test_published_step.py': ('loss16',),
    'methods/test_augmented.py': ('adaptive_scores',),
})
