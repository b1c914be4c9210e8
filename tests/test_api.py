"""The program as a library: the examples of docs/api.md, and what they leave out."""

import concurrent.futures
import gc
import os
import pathlib
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import stylegan2
from dnnlib import UserError
from dnnlib.tflib import graphs
from training import pretrained

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / 'tests' / 'data'


def test_the_examples_of_the_page_run(tmp_path):
    """All of them in one process, as a user types them."""
    page = (ROOT / 'docs' / 'api.md').read_text(encoding='utf-8')
    code = '\n'.join(re.findall(r'^```python\n(.*?)^```', page, re.MULTILINE | re.DOTALL))
    assert code.count('\n') > 15
    code += '\nassert again.min() < -0.5 and pictures.shape == (1, 64, 64, 3)\n'
    code += 'import sys\nassert "tensorflow" in sys.modules and "keras" not in sys.modules\n'  # takes two seconds
    # what is registered first is called last: graphs are not looked for as Python ends, see dnnlib.tflib
    code = 'import atexit, gc\natexit.register(lambda: print("frozen:", gc.get_freeze_count() > 1000))\n' + code
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.run([sys.executable, '-c', code], cwd=str(tmp_path), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True, env=env)
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[:2] == ["<Generator 'cats64': 64x64x3, 10 layers, unlabeled>", '128 10 0 None']
    assert "no file and no network is called 'cat64'; did you mean cats64" in process.stdout
    assert not hasattr(gc, 'freeze') or process.stdout.splitlines()[-1] == 'frozen: True'
    assert sorted(os.listdir(str(tmp_path))) == ['cat.png', 'cats8']


def test_importing_does_no_work():
    code = 'import sys, stylegan2; sys.exit("tensorflow" in sys.modules)'
    assert subprocess.call([sys.executable, '-c', code], cwd=str(ROOT)) == 0


@pytest.fixture(scope='module')
def nets():
    """Open generators by the names of their files, each loaded once."""
    opened = {}

    def get(name):
        if name not in opened:
            opened[name] = stylegan2.load(DATA / (name + '.pkl'), device='cpu')
        return opened[name]

    yield get
    for net in opened.values():
        net.close()


def test_two_networks_in_one_process(nets):
    before = len(tf.get_default_graph().get_operations())
    first, second = nets('configf_r32'), nets('labels3_r16')
    assert first.image_shape == [32, 32, 3] and second.image_shape == [16, 16, 3] and second.label_size == 3
    for net, name in ((first, 'configf_r32'), (second, 'labels3_r16')):
        reference = np.load(str(DATA / (name + '.npz')))
        if net is first:
            images = net.generate(reference['seeds'].tolist(), truncation_psi=0.6, noise='const', output='float32')
            np.testing.assert_allclose(images, reference['images_psi06'], atol=1e-3)
        else:
            classes = [str(label.argmax()) for label in reference['labels']]
            images = np.concatenate([net.generate([seed], label, 1, 'const', 'float32')
                                     for seed, label in zip(reference['seeds'].tolist(), classes)])
            np.testing.assert_allclose(images, reference['images'], atol=1e-3)
    w = first.dlatents([5], truncation_psi=0.7)
    picture = first.draw(w)
    assert picture.dtype == np.uint8 and picture.shape == (1, 32, 32, 3)
    const = first.generate([5], truncation_psi=0.7, noise='const')
    assert np.abs(np.int32(picture) - const).max() <= 1
    seed = first.generate([5], truncation_psi=0.7)
    assert (seed != const).any()
    np.testing.assert_array_equal(first.generate([5], truncation_psi=0.7, noise='const'), const)  # noise is put back
    assert tf.get_default_session() is None and len(tf.get_default_graph().get_operations()) == before


def test_noise_is_fed(nets):
    net = nets('configf_r32')
    w, stored = net.dlatents([5], truncation_psi=0.7), net.noise()
    drawn = net.draw(w, noise=net.noise(5))
    assert np.abs(np.int32(drawn) - net.generate([5], truncation_psi=0.7)).max() <= 1
    np.testing.assert_array_equal(net.draw(w, noise=stored), net.draw(w))
    assert (drawn != net.draw(w)).any() and net.num_truncated == net.num_layers == 8
    assert (net.draw(w, noise={'noise0': np.zeros([1, 1, 4, 4])}) != net.draw(w)).any()
    np.testing.assert_array_equal(net.draw(w, noise={}), net.draw(w))  # what was set is put back
    np.testing.assert_array_equal(net.truncate(net.dlatents([5], truncation_psi=1), 0.7), net.truncate(
        net.dlatents([5], truncation_psi=1), 0.7, 8))
    assert np.abs(np.int32(net.draw(w, truncation_psi=1)) - net.draw(w)).max() <= 1
    for noise in ({'noise0': np.zeros([1, 1, 8, 8])}, {'noise99': np.zeros([1, 1, 4, 4])}):
        with pytest.raises(UserError, match='noise: the network has no noise'):
            net.draw(w, noise=noise)
    with pytest.raises(UserError):
        net.truncate(w, 0.5, 9)


@pytest.mark.parametrize('name', ['configa_r16', 'ada_r16'])
def test_truncation_is_fed_and_means_what_the_network_says(nets, name):
    net, seeds = nets(name), [3, 4]
    latents = np.stack([np.random.RandomState(seed).randn(net.latent_size) for seed in seeds])
    for psi, cutoff in ((0.3, None), (-0.5, 2)):
        options = {} if cutoff is None else dict(truncation_cutoff=cutoff)
        images = net.generate(seeds, None, psi, 'const', 'float32', **options)
        with net.as_default() as network:
            expected = network.run(latents, None, truncation_psi=psi, randomize_noise=False, **options)
        np.testing.assert_allclose(images, expected, atol=1e-5)
        if name != 'configa_r16':  # by itself StyleGAN does not truncate its finest layers
            drawn = net.draw(net.dlatents(seeds, None, psi, cutoff), 'float32')
            np.testing.assert_allclose(images, drawn, atol=1e-5)
    size = len(network.output_templates[0].graph.get_operations())
    for psi in np.linspace(-1, 2, 20):
        net.generate(seeds, None, psi, 'const', 'float32')
        net.generate(seeds, None, psi, 'const', 'float32', truncation_cutoff=3)
    assert len(network.output_templates[0].graph.get_operations()) == size


def test_pictures_of_pillow_and_batches_of_any_size(nets):
    net = nets('labels3_r16')
    seeds = range(9)
    images = net.generate(seeds, noise='const')
    assert images.shape == (9, 16, 16, 3)
    for count in (1, 4, 5):
        part = net.generate(np.arange(count), noise='const')
        assert np.abs(np.int32(part) - images[:count]).max() <= 1  # a single one is computed in another order
    pictures = net.generate(tuple(seeds), noise='const', output='pil')
    assert [picture.mode for picture in pictures] == ['RGB'] * 9
    np.testing.assert_array_equal(np.stack([np.asarray(picture) for picture in pictures]), images)
    np.testing.assert_array_equal(net.draw(net.dlatents(seeds), 'pil')[0], net.draw(net.dlatents(seeds))[0])
    assert (net.generate([1], noise='random') != net.generate([1], noise='random')).any()


def test_any_thread(nets):
    """Several at once, on two networks, each with its own truncation."""
    jobs = [(nets(name), seed, psi) for seed in (1, 2) for psi in (0.2, 0.9) for name in ('configf_r32', 'labels3_r16')]

    def draw(job):
        net, seed, psi = job
        return net.generate([seed], truncation_psi=psi)

    alone = [draw(job) for job in jobs]
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as pool:
        for _ in range(3):
            for image, expected in zip(pool.map(draw, jobs), alone):
                np.testing.assert_array_equal(image, expected)


def test_closing_gives_the_graph_back():
    kept = graphs.custom_gradients()
    with stylegan2.load(DATA / 'configf_r32.pkl', device='cpu') as net:
        assert repr(net) == f'<Generator {str(DATA / "configf_r32.pkl")!r}: 32x32x3, 8 layers, unlabeled>'
        net.generate([1])
        with net.as_default():
            graph = weakref.ref(tf.get_default_graph())
    assert graph() is None and graphs.custom_gradients() == kept
    assert repr(net).endswith("configf_r32.pkl', closed>")
    net.close()
    for call in (lambda: net.generate([1]), lambda: net.dlatents([1]), lambda: net.draw(np.zeros([1, 8, 512]))):
        with pytest.raises(UserError, match='is closed; load it again'):
            call()


NAN = float('nan')


@pytest.mark.parametrize('call, message', [
    *[(lambda net, seeds=seeds: net.generate(seeds), 'seeds must be a list of whole numbers from 0 to 4294967295, such '
       r'as \[1, 2\], not ') for seeds in (3, [], [-1], '1,2', ['1'], [NAN], NAN, None, [1.5], [True], [2 ** 32],
                                         {1: 2}, np.zeros([2, 2], int), iter(()))],
    *[(lambda net, psi=psi: net.dlatents([1], truncation_psi=psi), 'truncation_psi must be a finite number, such as 0.7'
       ', not ') for psi in (NAN, float('inf'), '0.5', None, [0.5], True, np.ones(2))],
    *[(lambda net, cutoff=cutoff: net.generate([1], truncation_cutoff=cutoff), 'truncation_cutoff must be a number of '
       'layers from 0 to 6, or None, not ') for cutoff in (-1, 7, 2.5, '2', NAN, [1])],
    *[(lambda net, noise=noise: net.generate([1], noise=noise), "noise must be 'seed', 'const' or 'random', not ")
      for noise in ('none', None, 1, np.ones(2))],
    *[(lambda net, output=output: net.generate([1], output=output), "output must be 'uint8', 'float32' or 'pil', not ")
      for output in ('png', None, True)],
    *[(lambda net, name=name: net.generate([1], name), 'there is no class ') for name in ('dog', 3, -1, NAN, [1])],
    *[(lambda net, w=w: net.draw(w), 'draw: dlatents of shape ') for w in (1, None, [], np.zeros([6, 63]),
                                                                          np.zeros([1, 5, 64]))],
    *[(lambda net, w=w: net.draw(w), 'dlatents must be an array of numbers, not ') for w in ('w', [[1], [1, 2]])],
    *[(lambda net, w=w: net.draw(w), 'draw: dlatents must be at least one picture and finite')
      for w in (np.zeros([0, 6, 64]), np.full([1, 6, 64], NAN))],
    (lambda net: stylegan2.load(3), 'expected the path, URL or name of a network'),
    (lambda net: stylegan2.load('cats64', device=0), 'the name of a device, not .* and 0'),
    (lambda net: stylegan2.load('cats64', device='tpu'), "device is 'tpu', expected auto, cpu or gpu:N"),
    (lambda net: stylegan2.load('cats64', ops='fast'), 'ops=fast: expected auto, ref, native'),
    (lambda net: stylegan2.load('missing.pkl'), "'missing.pkl' not found"),
    (lambda net: stylegan2.load(str(ROOT)), 'is a folder, not a network file'),
    (lambda net: stylegan2.load(__file__), 'is not a network'),
])
def test_wrong_input_is_named(nets, call, message):
    with pytest.raises(UserError, match=message) as error:
        call(nets('labels3_r16'))
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < 250


@pytest.mark.parametrize('content', ['{', '["dog", "house", "tree"]'])
def test_classes_of_a_stranger_in_the_working_directory(tmp_path, monkeypatch, content):
    monkeypatch.chdir(str(tmp_path))
    monkeypatch.setitem(pretrained.SHORT_NAMES, 'cats64', str(DATA / 'labels3_r16.pkl'))
    (tmp_path / 'classes.json').write_text(content)
    with stylegan2.load('cats64') as net:
        assert net.class_names is None and net.label_size == 3
        with pytest.raises(UserError, match="no class 'dog'; expected 0 to 2$"):
            net.generate([1], 'dog')


def test_names_of_networks(tmp_path, monkeypatch):
    url = pretrained.get_path_or_url('gdrive:networks/stylegan2-ffhq-config-f.pkl')
    assert pretrained.get_path_or_url('ffhq-config-f') == url and url.startswith('https://')
    url = pretrained.get_path_or_url('car-config-e-Gskip-Dorig')
    assert url.endswith('table2/stylegan2-car-config-e-Gskip-Dorig.pkl')
    assert pretrained.get_path_or_url('cats64') == pretrained.DEMO_NETWORK
    monkeypatch.chdir(str(tmp_path))
    (tmp_path / 'cats64').write_text('a file of that name comes first')
    assert pretrained.get_path_or_url('cats64') == 'cats64'
    for name in ('missing', './cats65', 'cats65.pkl'):
        assert pretrained.get_path_or_url(name) == name
