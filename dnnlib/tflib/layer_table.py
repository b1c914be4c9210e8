"""The layers of a network's template graph, found from the names of its operations, as a list and as a table."""


def list_layers(network):
    raise NotImplementedError


def format_layers(network, title, hide_layers_with_no_params):
    raise NotImplementedError
