"""Which network of a file translates, and what it takes."""

from collections import OrderedDict

import pytest

from dnnlib import UserError
from dnnlib.files.named_networks import Contents, Role
from dnnlib.files.network_file import NetworkState
from generator import info
from tests.training.torch_files.test_translators import file_of
from training import pretrained
from translator import networks


def contents_of(name):
    """Contents of a file."""
    return pretrained.read_contents(info.read_file(file_of(name)))


def made(**roles):
    """Contents of ResNets with these roles."""
    states = OrderedDict()
    for name in roles:
        states[name] = NetworkState()
        states[name].set_state(dict(build_func_name='G_resnet', static_kwargs={}))
    return Contents('cyclegan', states, OrderedDict((name, Role(*role)) for name, role in roles.items()))


def test_what_is_chosen():
    for direction, name in ((None, 'G_ab'), ('AtoB', 'G_ab'), ('BtoA', 'G_ba')):
        assert networks.choose(contents_of('ugatit_iter_params.pt'), direction).name == name
    image, generator = ('images',), 'generator'
    both = made(G_ab=(generator, None, image), G_ba=(generator, None, image), D_a=('discriminator', None, image),
                smooth_ab=(generator, 'G_ab', image), smooth_ba=(generator, 'G_ba', image))
    assert [networks.choose(both, direction).name for direction in networks.DIRECTIONS] == ['smooth_ab', 'smooth_ba']
    for contents, direction, message in (
            (contents_of('cut_iter_net_D.pth'), None, 'D .discriminator., none of which translates pictures'),
            (made(G=(generator, None, ('latents', 'labels'))), None, 'run_generator.py draws with it'),
            (made(G=(generator, None, image)), 'AtoB', 'leave out --direction=AtoB'),
            (made(G=(generator, None, image), H=(generator, None, image)), None, 'whose name ends in _ab')):
        with pytest.raises(UserError, match=message):
            networks.choose(contents, direction)


@pytest.mark.parametrize('name, multiple, fixed, maps', [
    ('cut_resnet9.pth', 4, None, False), ('unet64_batch_dropout.pth', 64, None, False),
    ('hd_local2.pth', 8, None, True),
    ('sincut_net_G.pth', 2, None, False), ('ugatit_gen_light.pth', 4, None, False),
    ('ugatit_gen_full.pth', 4, (32, 32), False)])
def test_sizes(name, multiple, fixed, maps):
    kind = networks.choose(contents_of(name))
    assert (kind.multiple, kind.fixed, kind.maps) == (multiple, fixed, maps)


def test_test_mode_of_a_u_net():
    kind = networks.choose(contents_of('unet64_batch_dropout.pth'))
    assert kind.has_dropout(networks.Mode()) and not kind.has_dropout(networks.Mode(evaluate=True))
    assert not kind.has_dropout(networks.Mode(dropout=False))
    assert kind.run_options(networks.Mode(dropout=False)) == dict(dropout=False)
    assert '--eval turns it off' in networks.remarks(kind, networks.Mode())[0]
    with pytest.raises(UserError, match='--tile=100: .* multiples of 64; use --tile=128'):
        networks.check_mode(kind, networks.Mode(tile=100))
    fixed = networks.choose(contents_of('ugatit_gen_full.pth'))
    with pytest.raises(UserError, match='32x32 pixels alone'):
        networks.check_mode(fixed, networks.Mode(tile=32))
    with pytest.raises(UserError, match='no layers of dropout'):
        networks.check_mode(fixed, networks.Mode(dropout=True))
