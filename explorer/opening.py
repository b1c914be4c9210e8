"""Opening a network file: which artist draws with it."""

from explorer import artists, plain_artist, translating
from generator import info, network_data
from training import pretrained


def open_artist(file, flags, running, stores, say=print):
    """Loads a network file; returns the artist for it.

    Args:
        file: pretrained.NetworkFile.
        flags, running, stores: See Style.
        say: Function of a line about what is going on.
    Raises: UserError for a file without a network that draws or translates; OSError if it can't be read.
    """
    pretrained.check_network_file(file)
    say('reading the network file')
    contents = pretrained.read_contents(info.read_file(file))
    artist = translating.artist_of(contents)
    if artist is None:
        name = pretrained.name_of_generator(contents)
        state = contents.networks[name].state or {}
        artist = artists.Style if 'mapping' in network_data.components_of(state) else plain_artist.Plain
    del contents
    say('loading TensorFlow and the network')
    return artist(file, flags, running, stores)
