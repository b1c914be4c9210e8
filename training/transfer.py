"""The networks that a training begins with: new ones, or with the values of a network pickle."""

import collections
import glob
import os

from dnnlib import UserError, tflib
from training import image_size, state_files
from training.pretrained import load_networks


def structure_pkl(run_dir, resume_pkl, resume_with_new_nets=False):
    """The network pickle to load, `None` = none: once there is a state to continue from, `resume_pkl` isn't needed.

    The state then holds every variable, and any network pickle of the run has the structure of its networks.
    """
    if resume_pkl is None or state_files.latest_state(run_dir) is None:
        return resume_pkl
    if resume_with_new_nets:
        return None
    snapshots = sorted(glob.glob(os.path.join(glob.escape(run_dir), 'network-*.pkl')), key=os.path.getmtime)
    return (snapshots or [resume_pkl])[-1]


def setup_networks(training_set, G_args, D_args, resume_pkl=None, resume_with_new_nets=False):
    """Makes or loads the networks of a training, and prints the layers of G and D.

    Args:
        training_set: Gives the shape of the images and the number of labels.
        G_args, D_args: func_name and keyword arguments of the networks.
        resume_pkl: File to load (G, D, Gs) from; `None` = new networks.
        resume_with_new_nets: Make new networks and copy what fits from the loaded ones?
    Returns: OrderedDict of 'G', 'D' and 'Gs'.
    Raises: UserError if the loaded networks do not fit the data set.
    """
    names = ('G', 'D', 'Gs')
    loaded = load_networks(resume_pkl) if resume_pkl is not None else None
    if loaded is not None and not resume_with_new_nets:
        networks = collections.OrderedDict(zip(names, loaded))
        for what, ours, theirs in [('images', training_set.shape, networks['G'].output_shape[1:]),
                                   ('labels', [training_set.label_size], networks['G'].input_shapes[1][1:])]:
            if ours != theirs:
                raise UserError('{}: its {} have shape {}, those of the data set {}; choose another network or set '
                                'train.resume_with_new_nets=True'.format(resume_pkl, what, theirs, ours))
    else:
        shape = dict(num_channels=training_set.shape[0], resolution=image_size.option(*training_set.shape[1:]),
                     label_size=training_set.label_size)
        G, D = tflib.Network('G', **dict(shape, **G_args)), tflib.Network('D', **dict(shape, **D_args))
        networks = collections.OrderedDict([('G', G), ('D', D), ('Gs', G.clone('Gs'))])
        for name, source in zip(names, loaded or ()):
            networks[name].copy_vars_from(source)
    networks['G'].print_layers()
    networks['D'].print_layers()
    return networks
