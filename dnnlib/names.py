"""Dotted names in strings and files, such as `training.loss.G_wgan`, in a checkout and in the installed package.

pip installs all our modules in one package (setup.py), in which that function is `stylegan2.training.loss.G_wgan`.
Options, run directories and network files keep the short name, so that all installations read them.
"""

OWN_MODULES = ('dnnlib', 'training', 'metrics', 'generator', 'projector', 'export', 'run_training', 'run_generator',
               'run_projector', 'run_metrics', 'dataset_tool')
_PARENT = __name__[:-len('dnnlib.names')]  # 'stylegan2.' if installed, '' in a checkout


def installed_name(name):
    """Name under which a module of ours, or what is in it, can be imported here; other names are unchanged."""
    return _PARENT + name if name.split('.')[0] in OWN_MODULES else name


def published_name(name):
    """The inverse of `installed_name`: what is written to files."""
    return name[len(_PARENT):] if name.startswith(_PARENT) else name
