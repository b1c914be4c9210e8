"""`info`: what is in a network file, read as plain data; no network is built and TensorFlow is not needed."""

import collections
import hashlib
import io
import os
import re

from dnnlib import cli, util
from dnnlib.files import array_file, file_kinds, named_networks, network_file, safe_pickle, torch_file
from dnnlib.util import UserError
from generator import network_data
from training import pretrained

_UNTRAINED = re.compile(r'(lod|dlatent_avg|noise[0-9]+|moving_mean|moving_variance|weight_[uv]|u0|sv0|count|^mean|'
                        r'^deviation)$')


def add_command(commands):
    """Adds the sub-command `info`."""
    p = commands.add_parser('info', help='show what is in a network file, without running anything in it')
    p.add_argument('network_pkl', metavar='FILE',
                   help='network pickle or weight file: path, URL, published name, or run directory')
    p.set_defaults(run=print_info)


def print_info(network_pkl):
    """Prints kind, resolution, channels, labels, configuration, parameters, options and hashes of a file.

    Args:
        network_pkl: Path, URL, published name, run directory or `pretrained.NetworkFile`.
    Raises: UserError if the file is of no known kind or corrupt; OSError if it cannot be read.
    """
    network_pkl = pretrained.resolve(network_pkl)
    file_name = os.path.basename(network_pkl.name)
    data = read_file(network_pkl)
    print('File        {}, {:.1f} MiB'.format(file_name, len(data) / 2 ** 20))
    print('SHA-256     {}'.format(hashlib.sha256(data).hexdigest()))
    try:
        for line in describe(data):
            print(cli.printable(line))
    except UserError as error:
        raise UserError('{}: {}'.format(file_name, error)) from error


def describe(data):
    """Lines about the contents of a file, given as bytes."""
    refused = []
    if torch_file.looks_like(data):
        return _describe_torch(torch_file.load(io.BytesIO(data), refused), refused, 'PyTorch weight file')
    if array_file.looks_like(data[:16]):
        return _describe_networks(array_file.read(data), [], 'file of arrays')
    kind = file_kinds.kind_of(data[:file_kinds.START])
    if kind is not None or data[:1] != b'\x80':
        raise UserError('neither a pickle nor a PyTorch file' + (kind and f': it is {kind}' or ''))
    saved = network_file.read_inert(data, refused)
    if torch_file.holds_modules(saved):
        return _describe_torch(saved, refused, 'PyTorch pickle')
    return _describe_networks(saved, refused, 'network pickle')


def _describe_torch(saved, refused, what):
    try:
        networks = pretrained.read_torch(saved)
        states = networks['networks'].values() if isinstance(networks, dict) else networks
        if isinstance(networks, tuple) and networks[0] is networks[2]:
            networks = (None,) + networks[1:]
        lines = _describe_networks(networks, refused, what)
        return lines[:-1] + ['Note        ' + note for note in network_file.notes_in(states)] + lines[-1:]
    except UserError as error:
        items = saved.items() if isinstance(saved, dict) else [('', saved)]
        arrays = {str(key): item.value for key, item in items if isinstance(item, torch_file.Tensor)}
        for key, item in items:
            arrays.update(('{}.{}'.format(key, name), value) for name, value in torch_file.tensors_in(item).items())
        return _describe_tensors(arrays, what) + ['Networks    none of ours: {}'.format(error), _refusals(refused)]


def _describe_networks(saved, refused, what):
    networks, contents = find_networks(saved), None
    lines = [] if networks else ['Kind        a pickle without networks: {}'.format(type(saved).__name__)]
    if networks:
        lines += _describe_kind(networks, what)
    if named_networks.is_packed(saved):
        contents = named_networks.unpack(saved)
        lines[:1] = [f'Kind        {contents.method} {what}: {", ".join(contents.networks)}']
        drawing = [state for title, state in networks if contents.roles[title].role == 'generator']
        if len(lines) == 1 and drawing:
            lines += _describe_drawing(contents.method, drawing[-1])
    for title, state in networks:
        network_lines = _describe_network(title, state)
        if contents is not None:
            network_lines.insert(1, _describe_role(contents.roles[title]))
        lines += network_lines
    return lines + [_refusals(refused)]


def _describe_role(role):
    average = '' if role.average_of is None else f', moving average of {role.average_of}'
    return f'  role      {role.role}{average}, inputs: {", ".join(role.inputs) or "none"}'


def _refusals(refused):
    names = collections.Counter(refused)
    return 'Refused     {}'.format(', '.join(
        name if count == 1 else '{} ({} times)'.format(name, count) for name, count in names.items()) or 'nothing')


def read_file(network_pkl):
    """Bytes of a file: path, URL, published name or `pretrained.NetworkFile`."""
    path = pretrained.resolve(network_pkl).path
    if util.is_url(path, allow_file_urls=True):
        with util.open_url(path, cache_dir=util.cache_dir()) as f:
            return safe_pickle.read_all(f)
    with open(path, 'rb') as f:
        return safe_pickle.read_all(f)


def find_networks(saved):
    """List of (title, state) of the networks in an object; titles are their names in the file, positions or names."""
    if isinstance(saved, network_file.NetworkState):
        saved = [saved]
    if named_networks.is_packed(saved):
        saved = named_networks.unpack(saved).networks
    items = saved.items() if isinstance(saved, dict) else enumerate(saved) if isinstance(saved, (list, tuple)) else ()
    found = [(key, item.state) for key, item in items if isinstance(item, network_file.NetworkState) and item.state]
    return [(network_data.title_of(state.get('name', key) if isinstance(key, int) else key), state)
            for key, state in found]


def _describe_kind(networks, what):
    """Kind, configuration and pictures, from the last generator and the first discriminator."""
    functions = [network_data.function_of(state) for _, state in networks]
    generators = [state for _, state in networks if network_data.function_of(state) in network_data.GENERATORS]
    if not generators:
        return ['Kind        pickle of {}: {}'.format(_count(len(networks), 'network'), ', '.join(functions))]
    state = generators[-1]
    options, config = network_data.options_of(state), network_data.config_of(state)
    kind = 'StyleGAN2-ADA' if config is None else network_data.GENERATORS[
        'G_msg' if config.startswith('msg') else network_data.function_of(state)]
    usual = {'G_paper': (32, 1), 'G_msg': (128, 3)}.get(network_data.function_of(state), (1024, 3))
    return [
        'Kind        {} {}: {}'.format(kind, what, ', '.join(title for title, _ in networks)),
        _describe_pictures(options, usual),
        'Config      {}'.format(config or 'its own (not one of config-a to config-f)')]


def _describe_drawing(method, state):
    """Pictures and configuration of a generator in a file that holds networks by name."""
    from generator import plain_configs  # which loads the options of trainings
    options, lines = network_data.options_of(state), []
    if 'resolution' in options:
        lines.append(_describe_pictures(options, (None, 3)))
    config = plain_configs.config_of(method, options, network_data.function_of(state))
    return lines + [f'Config      {config}'] * (config is not None)


def _describe_pictures(options, usual):
    """The line on the pictures of a generator's options; usual: their resolution and channels by default."""
    size, labels = options.get('resolution', usual[0]), options.get('label_size', 0)
    size = 'x'.join(map(network_data.short, size if isinstance(size, (list, tuple)) else [size, size]))
    return 'Pictures    {}, {}, {}'.format(size, _count(options.get('num_channels', usual[1]), 'channel'),
                                           _count(labels, 'label') if labels else 'no labels')


def _describe_network(title, state):
    """Lines about a network and its sub-networks."""
    components, values = network_data.components_of(state), network_data.all_variables(state)
    lines = ['{:<11} {}, state version {}, {} in {}'.format(
        title, network_data.function_of(state), network_data.short(state.get('version')),
        _count(_count_trained(values), 'parameter'), _count(len(values), 'variable'))]
    for key, component in components.items():
        lines.append('  {:<9} {}, {}'.format(
            key, network_data.function_of(component),
            _count(_count_trained(network_data.variables_of(component)), 'parameter')))
    options = ', '.join('{}={}'.format(key, network_data.short(value)) for key, value in sorted(
        network_data.options_of(state).items(), key=lambda item: str(item[0])))
    lines += ['  options   {}'.format(options or 'none'),
              '  SHA-256   {} of the variables'.format(network_data.hash_of(state))]
    if network_data.function_of(state) in network_data.GENERATORS and components:  # others have no W to project into
        lines.append('  hash      {} of the variables but for the stored noise, as the projector writes it'.format(
            network_file.weights_hash(_named_as_built(state))))
    source = state.get('build_module_src')
    if isinstance(source, str) and source.count('\n') > 1:
        lines.append('  source    {} lines, kept as text, never executed'.format(source.count('\n')))
    return lines


def _named_as_built(state):
    """Variables by the names that the Network has for them: those of components begin with the component's name."""
    values = network_data.variables_of(state)
    for component in network_data.components_of(state).values():
        values.update(('{}/{}'.format(component.get('name'), name), value)
                      for name, value in network_data.variables_of(component).items())
    return values


def _count_trained(values):
    return sum(int(value.size) for name, value in values.items() if not _UNTRAINED.search(name))


def _describe_tensors(arrays, what):
    size = sum(array.size for array in arrays.values())
    lines = ['Kind        {}: {}, {}'.format(
        what, _count(len(arrays), 'tensor'), _count(size, 'number')),
        'SHA-256     {} of the tensors'.format(network_data.hash_values(arrays))]
    names = list(arrays)
    shown = names if len(names) <= 12 else names[:6] + ['...'] + names[-5:]
    lines += ['  {}'.format(name if name == '...' else '{} {} {}'.format(
        name, arrays[name].dtype, list(arrays[name].shape))) for name in shown]
    return lines


def _count(number, noun):
    return '{:,} {}{}'.format(number, noun, '' if number == 1 else 's') if isinstance(number, int) else '? ' + noun
