"""Utilities without any knowledge of GANs; importing this package does not import TensorFlow."""

from dnnlib import util
from dnnlib.run_context import RunContext
from dnnlib.run_dir import SubmitConfig, make_run_dir_path, submit_run
from dnnlib.util import EasyDict, UserError

__all__ = ['EasyDict', 'RunContext', 'SubmitConfig', 'UserError', 'make_run_dir_path', 'submit_config', 'submit_run',
           'util']

submit_config = None  # the SubmitConfig of the running run, set by submit_run
