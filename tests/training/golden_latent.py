"""The golden values of tests/data/latent, which README.md there describes."""

import os

from tests.training.golden_files import Files

DATA = os.path.join(os.path.dirname(__file__), '..', 'data', 'latent')
FILES = Files(DATA, owners={
    'networks/test_progan.py': ('progan_labels3_r16', 'progan_r16', 'progan_unfused_r32'),
    'methods/test_progan.py': ('progan_schedule',),
    'networks/test_msg.py': ('msg_stylegan_r16', 'msg_stylegan_labels3_r8', 'msg_progan_torch_r32'),
    'methods/test_osgan.py': ('osgan_dcgan_r64_d16',),
    'terms/test_adversarial.py': ('losses',),
    'test_rates.py': ('lr_schedules',),
    'data/test_contest_data.py': ('data_prep',),
    'metrics/test_memorization.py': ('mifid',),  # beside tests/training
}, left_out=[('data_prep', 'area/[04]/out', 'one side grows or both, and OpenCV interpolates')])
