"""A second module with a build function of the same name as one in toy_networks."""

from tests.dnnlib.tflib import toy_networks


def affine(x_in, shift_in, is_template_graph=False, components=None):
    """As the other `affine`, with its defaults."""
    return toy_networks.affine(x_in, shift_in, is_template_graph=is_template_graph, components=components)
