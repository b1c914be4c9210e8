"""Dotted names in strings and files, such as `training.loss.G_wgan`, in a checkout and in the installed package.

pip installs all our modules in one package (setup.py), in which that function is `stylegan2.training.loss.G_wgan`.
Options, run directories and network files keep the short name, so that all installations read them.
"""

import importlib
import os

OWN_MODULES = ('dnnlib', 'training', 'metrics', 'generator', 'projector', 'export', 'translator', 'explorer',
               'run_training', 'run_generator', 'run_projector', 'run_metrics', 'run_translator', 'run_explorer',
               'dataset_tool')
_PARENT = __name__[:-len('dnnlib.names')]  # 'stylegan2.' if installed, '' in a checkout


def installed_name(name):
    """Name under which a module of ours, or what is in it, can be imported here; other names are unchanged.

    Modules that the package lacks are those of a user whose folders are called like ours.
    """
    return _PARENT + name if _PARENT and name.split('.')[0] in OWN_MODULES and _is_ours(name.split('.')) else name


def _is_ours(parts):
    """Does the package hold a dotted name that begins like one of its modules?"""
    path = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for i, part in enumerate(parts):
        path = os.path.join(path, part)
        if os.path.isfile(path + '.py'):
            return True  # the rest is what the module holds
        if not os.path.isdir(path):
            return i > 0 and hasattr(importlib.import_module(_PARENT + '.'.join(parts[:i])), part)
    return True


def published_name(name):
    """The inverse of `installed_name`: what is written to files."""
    return name[len(_PARENT):] if name.startswith(_PARENT) else name
