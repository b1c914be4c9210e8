"""Names of published networks, and the one way to load and save the networks of a file."""

from collections import OrderedDict
import io
import os
from typing import NamedTuple

from dnnlib import util
from dnnlib.arguments import did_you_mean, similar
from dnnlib.files import array_file, file_kinds, named_networks, network_file, safe_pickle, torch_file
from dnnlib.files.named_networks import Contents, PUBLISHED_ROLES
from dnnlib.util import UserError
from training.networks import BUILD_MODULES
from training.state import network_files

DEMO_NETWORK = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'networks', 'cats64.pkl')
_PUBLISHED_URL = 'https://nvlabs-fi-cdn.nvidia.com/stylegan2/networks/'

# Networks of StyleGAN2-ADA that its authors start other trainings from, under the names of their program.
_ADA_URL = 'https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada/pretrained/transfer-learning-source-nets/'
_ADA_SOURCES = dict(
    ffhq256='ffhq-res256-mirror-paper256-noaug.pkl', ffhq512='ffhq-res512-mirror-stylegan2-noaug.pkl',
    ffhq1024='ffhq-res1024-mirror-stylegan2-noaug.pkl',
    celebahq256='celebahq-res256-mirror-paper256-kimg100000-ada-target0.5.pkl',
    lsundog256='lsundog-res256-paper256-kimg100000-noaug.pkl')


def _published_files():
    name = 'stylegan2-{}-config-{}.pkl'
    files = [name.format(data, config) for data in ('car', 'ffhq') for config in 'abcdef']
    files += [name.format(data, config) for data in ('cat', 'church', 'horse') for config in 'af']
    kinds = ('orig', 'resnet', 'skip')
    files += [f'table2/stylegan2-{data}-config-e-G{g}-D{d}.pkl'
              for data in ('car', 'ffhq') for g in kinds for d in kinds]
    return files


# Published short names to URLs.
gdrive_urls = {'gdrive:networks/' + file_name: _PUBLISHED_URL + file_name for file_name in _published_files()}

# Files that other trainings start from at kimg 0, whatever number their names hold.
PUBLISHED_FILES = frozenset(_ADA_SOURCES.values()) | frozenset(map(os.path.basename, _published_files()))

# Names without a path or an extension: that of the shipped network, and `ffhq-config-f` of stylegan2-ffhq-config-f.pkl.
SHORT_NAMES = {'cats64': DEMO_NETWORK}
SHORT_NAMES.update((name, _ADA_URL + file_name) for name, file_name in _ADA_SOURCES.items())
SHORT_NAMES.update((name.split('stylegan2-')[1][:-len('.pkl')], url) for name, url in gdrive_urls.items())


def get_path_or_url(path_or_gdrive_path):
    """URL or path of a published name such as `gdrive:networks/stylegan2-ffhq-config-f.pkl` or `ffhq-config-f`, or of
    `cats64`; anything else, and a name that is a file, unchanged.

    Raises: UserError for an unknown name that begins with `gdrive:`, or is no file and resembles a known one.
    """
    if path_or_gdrive_path in SHORT_NAMES and not os.path.exists(path_or_gdrive_path):
        return SHORT_NAMES[path_or_gdrive_path]
    found = similar(path_or_gdrive_path, SHORT_NAMES)
    if found and not os.path.exists(path_or_gdrive_path) and not set('./:') & set(path_or_gdrive_path):
        raise UserError(f'no file and no network is called {path_or_gdrive_path!r}; did you mean {found}?')
    if path_or_gdrive_path.startswith('gdrive:') and path_or_gdrive_path not in gdrive_urls:
        raise UserError(f'no published network is called {path_or_gdrive_path!r}; '
                        f'{did_you_mean(path_or_gdrive_path, gdrive_urls)}expected a name such as '
                        'gdrive:networks/stylegan2-ffhq-config-f.pkl')
    return gdrive_urls.get(path_or_gdrive_path) or path_or_gdrive_path


class NetworkFile(NamedTuple):
    """Where the networks of a command come from; made once, on the command line."""
    name: str    # as the user gave it, for messages; of a folder the file that was found in it
    path: str    # local path, or URL
    folder: str  # where `classes.json` lies beside a local file; None for a URL, never the working directory


def resolve(name):
    """Where the networks are that the user calls `name`; nothing is opened.

    Args:
        name: Path, URL or published short name; a run directory, or a state in it, stands for a network file in it,
            see `network_files.choose`; a NetworkFile is returned unchanged.
    Returns: NetworkFile.
    Raises: UserError for an unknown short name, or a folder without networks.
    """
    if isinstance(name, NetworkFile):
        return name
    path = get_path_or_url(name)
    if os.path.isdir(path):
        name = path = network_files.choose(path)
    is_url = util.is_url(path, allow_file_urls=True)
    return NetworkFile(name, path, None if is_url else os.path.dirname(path) or os.curdir)


def check_network_file(path_or_url):
    """Checks that a network file exists, starts and ends like a pickle, without TensorFlow, so that typos fail at once.

    Args:
        path_or_url: As `resolve`; URLs are not fetched here.
    Raises: UserError if the file is missing or is something else.
    """
    name, path, _ = resolve(path_or_url)
    if util.is_url(path, allow_file_urls=True):
        return
    if not os.path.isfile(path):
        below = os.path.join('results', name)  # the default of --result-dir
        hint = f'did you mean {below!r}? ' if os.path.exists(below) else ''
        raise UserError(f'{name!r} not found; {hint}give the path or URL of a network pickle, a run '
                        'directory, or the name of a published network such as ffhq-config-f')
    with open(path, 'rb') as f:
        start = f.read(file_kinds.START)
    kind = file_kinds.kind_of(start)
    if kind is not None:
        raise UserError(f'{name!r} is not a network file: it is {kind}')
    if array_file.looks_like(start[:16]):
        return
    if start[:1] != b'\x80' or start[1:2] not in (b'\x02', b'\x03', b'\x04', b'\x05'):
        raise UserError(f'{name!r} is not a network pickle: it does not start like a pickle')
    if safe_pickle.is_cut(path):
        raise UserError(f'{name}: {file_kinds.cut_message(os.path.getsize(path))}')


def read_states(data, refused=None):
    """Networks of a file of any kind, given as bytes, as plain data; nothing is built.

    Args:
        data: Pickle, npz, safetensors or PyTorch file.
        refused: See `network_file.read_inert`.
    Returns: What was saved, usually a tuple of NetworkState; of PyTorch files what `read_torch` makes of them.
    Raises: UserError if it is none of these, is corrupt or contains other objects.
    """
    if torch_file.looks_like(data):
        return read_torch(torch_file.load(io.BytesIO(data)))
    if array_file.looks_like(data[:16]):
        return array_file.read(data)
    saved = network_file.read_inert(data, refused)
    return read_torch(saved) if torch_file.holds_modules(saved) else saved


def read_torch(saved):
    """What `training.torch_files.contents.read` makes of a PyTorch file; arguments and errors are its own."""
    from training.torch_files import contents  # only PyTorch's files need it, and it takes time to load
    return contents.read(saved)


def read_contents(data):
    """Names, roles and states of the networks in a file of any kind, given as bytes.

    Objects of unknown classes are allowed beside the networks, and in the place of the published D.

    Returns: See `contents_of`.
    Raises: UserError if the bytes are something else, or networks contain objects of unknown classes.
    """
    refused = []
    try:
        contents = contents_of(read_states(data, refused))
        inside = network_file.refused_in(list(contents.networks.values()))
        if inside is not None:
            raise UserError(f'a network contains a {inside}')
    except UserError as error:
        if not refused:
            raise
        names = ', '.join(OrderedDict.fromkeys(refused))
        raise UserError(f'{error}; refused, since no part of a network: {names:.200}') from error
    return contents


def contents_of(saved):
    """Names, roles and states of the networks in an object that `read_states` returned.

    Args:
        saved: The published tuple (G, D, Gs), D may be None; or networks by name, see `named_networks`.
    Returns: Contents with a NetworkState for each name; without D if that consists of objects of unknown classes, which
        the notes of the others say.
    Raises: UserError if it is something else.
    """
    if named_networks.is_packed(saved):
        contents = named_networks.unpack(saved)
    elif isinstance(saved, (tuple, list)) and len(saved) == len(PUBLISHED_ROLES):
        networks = dict(zip(PUBLISHED_ROLES, saved))
        unknown = network_file.refused_in(networks['D'])
        generators = {id(state): state for state in (networks['G'], networks['Gs'])
                      if unknown and isinstance(state, network_file.NetworkState)}
        for generator in generators.values():
            generator.notes += (f'the discriminator is left out, since it is unknown here (it asks for {unknown})',)
        present = [name for name in PUBLISHED_ROLES if name != 'D' or networks['D'] is not None and unknown is None]
        method, roles = named_networks.published_roles(networks)
        contents = Contents(method, OrderedDict((n, networks[n]) for n in present),
                            OrderedDict((n, roles[n]) for n in present))
    else:
        raise UserError('does not hold the three networks G, D and Gs, nor networks by name')
    wrong = [name for name, state in contents.networks.items() if not isinstance(state, network_file.NetworkState)]
    if wrong:
        raise UserError(f'{" and ".join(wrong)} {"is not a network" if len(wrong) == 1 else "are not networks"}')
    return contents


def load_file(path_or_url, names=None):
    """Loads the networks of a file of any kind.

    Args:
        path_or_url: Path, URL (kept in the cache folder), published short name or NetworkFile; or a binary file object.
        names: Those that are wanted; None = all.
    Returns: Contents: the method's name, the networks by name and their roles; the networks are built in the default
        session, which is set up if there is none.
    Raises: UserError if the file does not hold networks of ours; OSError if it cannot be read or fetched.
    """
    found = []

    def read(data):
        contents = read_contents(data)
        found.append(contents._replace(**{field: OrderedDict(
            (name, item) for name, item in getattr(contents, field).items() if names is None or name in names)
            for field in ('networks', 'roles')}))
        return dict(found[0].networks)

    networks = _load(path_or_url, read)
    return found[0]._replace(networks=OrderedDict(networks))


def load_networks(path_or_url):
    """Loads the published triple (G, D, Gs): generator, discriminator and the generator's moving average.

    Arguments and errors are those of `load_file`; UserError also if the file holds other networks.
    """
    def read(data):
        contents = read_contents(data)
        if list(contents.networks) != list(PUBLISHED_ROLES):
            raise UserError(f'does not hold the three networks G, D and Gs, but {listed(contents)}')
        return tuple(contents.networks.values())

    return _load(path_or_url, read)


def load_generator(path_or_url, only_to_run=False):
    """Loads the generator alone, its moving average if there is one; of the published files Gs.

    This takes a third of the time of `load_networks`. Arguments and errors are those of `load_file`; UserError also if
    the file has no generator, or several. With `only_to_run` it takes less, but the network has no list of layers and
    cannot be reset, and random numbers of TensorFlow's own operations are others, see `only_run`.
    """
    def read(data):
        contents = read_contents(data)
        return contents.networks[name_of_generator(contents)]

    return _load(path_or_url, read, only_to_run)


def name_of_generator(contents):
    """Name of the generator that a command draws with: the moving average if there is one; of the published tuple Gs.

    Raises: UserError if Contents has no generator, or several.
    """
    generators = [name for name, role in contents.roles.items() if role.role == 'generator']
    names = [name for name in generators if contents.roles[name].average_of is not None] or generators
    if len(names) != 1:
        raise UserError(f'expected one generator, or one moving average of a generator, not {listed(contents)}')
    return names[0]


def save_file(contents, path):
    """Writes networks by name with method and roles; an existing file is replaced when all is written.

    Args:
        contents: Contents.
        path: Path of the file; its folder must exist.
    Raises: UserError if names, roles and inputs don't fit together.
    """
    for name, network in contents.networks.items():
        role = contents.roles.get(name)
        if role is not None and len(role.inputs) != network.num_inputs:
            raise UserError(f'network {name} has {network.num_inputs} inputs ({", ".join(network.input_names)}), '
                            f'its role names {len(role.inputs)}')
    network_file.save(named_networks.pack(contents), path)


def listed(contents):
    """The networks of a file, and what was said about it, for messages."""
    return f'networks of {contents.method}: ' + '; '.join([', '.join(
        f'{name} ({role.role}{", average" if role.average_of else ""})'
        for name, role in contents.roles.items())] + network_file.notes_in(contents.networks.values()))


def load_object(file_obj):
    """What a binary file object holds, with its networks built in the default session: see `fitting.load`."""
    from training.networks import fitting
    return fitting.load(file_obj, BUILD_MODULES, read_states)


def _load(path_or_url, read, only_to_run=False):
    """What `fitting.load` returns for a path, URL, short name or NetworkFile."""
    path = path_or_url
    if not hasattr(path, 'read'):
        check_network_file(path)
        path = resolve(path).path
    import dnnlib.tflib as tflib  # here, so that bad options are answered before TensorFlow loads
    from training.networks import fitting
    tflib.init_tf()
    if util.is_url(path, allow_file_urls=True):
        with util.open_url(path, cache_dir=util.cache_dir()) as f:
            return fitting.load(f, BUILD_MODULES, read, only_to_run)
    return fitting.load(path, BUILD_MODULES, read, only_to_run)
