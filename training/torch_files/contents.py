"""The networks in what a PyTorch file holds, whatever program wrote it."""

from dnnlib.files import named_networks
from training.torch_files import networks, translators


def read(saved):
    """Networks of a PyTorch file.

    Args:
        saved: What `torch_file.load` or `network_file.read_inert` returned.
    Returns: (G, D, Gs), see `networks.read`; or those of a program that translates images, packed as in a file of ours,
        see `translators.read`.
    Raises: UserError if there are none that we know.
    """
    return named_networks.pack(translators.read(saved)) if translators.holds(saved) else networks.read(saved)
