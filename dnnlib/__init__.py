"""Utilities without any knowledge of GANs; importing this package does not import TensorFlow."""

from dnnlib import interrupts

interrupts.watch()

from dnnlib import needed  # noqa: E402

needed.check(needed.ALWAYS)

from dnnlib import util  # noqa: E402
from dnnlib.run.context import RunContext  # noqa: E402
from dnnlib.run.run_dir import make_run_dir_path, submit_run, SubmitConfig  # noqa: E402
from dnnlib.util import EasyDict, UserError  # noqa: E402

__all__ = ['EasyDict', 'RunContext', 'SubmitConfig', 'UserError', 'make_run_dir_path', 'submit_config', 'submit_run',
           'util']

submit_config = None  # the SubmitConfig of the running run, set by submit_run
