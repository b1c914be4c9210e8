"""The command lines of run_projector.py as a user types them, with a tiny generator and a narrow distance network."""

import csv
import json
import os
import re
from unittest import mock
import zipfile

import numpy as np
import PIL.Image
import pytest
import tensorflow.compat.v1 as tf

import run_projector
from dnnlib import cli, tflib
from metrics import weights
from projector import candidates, commands, detection, distances, projector, schedule, session
from tests.metrics.features import lpips_reference
from tests.metrics.tiny_generator import tiny_generator
from tests.projector.pictures import write_picture
from tests.projector.test_calibration import calibration_fields
from training import pretrained

SIZE = 16
UNOPTIMIZED = {'graph_options.rewrite_options.disable_meta_optimizer': True}  # optimizing takes longer than these runs


def _load_generator(network, only_to_run=False):
    """A tiny generator whose weights are random numbers that depend on the name of its file alone."""
    Gs = tiny_generator(SIZE)
    rnd = np.random.RandomState(len(os.path.basename(network.path)))
    tflib.set_vars({var: rnd.randn(*var.shape.as_list()) * (100 if 'mapping' in name else 1)  # its lrmul is 0.01
                    for name, var in Gs.vars.items() if name.endswith(('weight', 'const'))})
    return Gs


@pytest.fixture(scope='module')
def shared():
    """What several runs can share, in a graph of its own, since building it is what takes time.

    Function that patches the program by a monkeypatch: generators by the name of their file, and the graphs of
    projectors with the same settings; everything else is done for every run.
    """
    graph, built = tf.Graph(), {}
    build = projector.Projector.set_network

    def cached(key, make):
        if key not in built:
            built[key] = make()
        return built[key]

    def set_network(self, Gs, minibatch_size=1):
        def make():
            build(self, Gs, minibatch_size)
            return {name: value for name, value in vars(self).items() if name.startswith('_') or name == 'step_fetches'}
        key = Gs, minibatch_size, self.space, self.noise, self.distance, self.masked
        vars(self).update(cached(key, make))

    def patch(monkeypatch):
        monkeypatch.setattr(pretrained, 'load_generator', lambda network, *_: cached(
            network.path, lambda: _load_generator(network)))
        monkeypatch.setattr(projector.Projector, 'set_network', set_network)
        measures = distances.AllDistances
        monkeypatch.setattr(distances, 'AllDistances', lambda shape: cached(tuple(shape), lambda: measures(shape)))

    with graph.as_default():
        tflib.init_tf(dict(UNOPTIMIZED, device='cpu'))
        yield patch
        tflib.close_tf()


@pytest.fixture
def fresh_program(tmp_path, monkeypatch, capsys):
    """As `program`, in a graph of its own for every run and with the self-test, as for users."""
    pop_tf_config = cli.pop_tf_config
    monkeypatch.setattr(cli, 'pop_tf_config', lambda args: dict(pop_tf_config(args), **UNOPTIMIZED))
    run = _program(tmp_path, monkeypatch, capsys)

    def run_in_graph(*args):
        with tf.Graph().as_default():
            result = run(*args)
            tflib.close_tf()
        return result

    return run_in_graph


@pytest.fixture
def program(shared, tmp_path, monkeypatch, capsys):
    """Function of arguments: (exit code, standard output, standard error); works in an empty folder."""
    run = _program(tmp_path, monkeypatch, capsys, '--no-selftest')
    shared(monkeypatch)
    return run


def _program(tmp_path, monkeypatch, capsys, *options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights, 'lpips_vgg16', lpips_reference.narrow_weights)
    monkeypatch.setattr(pretrained, 'load_generator', _load_generator)
    monkeypatch.setattr(candidates, 'MAPPING_BATCH', 5000)
    monkeypatch.setitem(schedule.PRESETS['fast'], 'shared_candidates', 1000)  # enough for estimates
    (tmp_path / 'net.pkl').write_bytes(b'\x80\x04.')
    (tmp_path / 'other-net.pkl').write_bytes(b'\x80\x04.')

    def run(command, *args):
        argv = [command, '--device=cpu', *options] + ([] if command == 'detect' else ['--network=net.pkl']) + list(args)
        with pytest.raises(SystemExit) as info:
            cli.run_main(run_projector.main, argv)
        captured = capsys.readouterr()
        return info.value.code or 0, captured.out, captured.err

    return run


def _read(path):
    return np.asarray(PIL.Image.open(str(path)))


def _pictures(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == '.png' and path.name != 'grid.png')


def test_generated_images_are_projected(fresh_program, tmp_path):
    code, out, err = fresh_program('project-generated-images', '--seeds=3,5', '--num-steps=40', '--num-snapshots=2')
    assert code == 0, err
    folder = tmp_path / 'results' / '00000-project-generated-images'
    kinds = ['step0020', 'step0040', 'target']
    assert _pictures(folder) == ['seed{:04d}-{}.png'.format(seed, kind) for seed in (3, 5) for kind in kinds]
    sheet = _read(folder / 'grid.png')  # a row for each picture: target, snapshots
    assert sheet.shape[:2] == (2 * SIZE, 3 * SIZE)
    np.testing.assert_array_equal(sheet[SIZE:, :SIZE], _read(folder / 'seed0005-target.png'))
    np.testing.assert_array_equal(sheet[SIZE:, 2 * SIZE:], _read(folder / 'seed0005-step0040.png'))
    with open(str(folder / 'distances.csv')) as file:
        rows = list(csv.DictReader(file))
    assert [(row['picture'], row['source'], row['step']) for row in rows] == [
        ('seed000{}'.format(seed), 'seed {}'.format(seed), step) for seed in (3, 5) for step in ('0', '20', '40')]
    for first, last in ((rows[0], rows[2]), (rows[3], rows[5])):
        assert 0 < float(last['distance']) < float(first['distance']) / 2
        assert float(last['seconds']) >= float(first['seconds'])
    lines = (folder / 'distances.jsonl').read_text().splitlines()
    assert [json.loads(line)['distance'] for line in lines] == [float(row['distance']) for row in rows]
    assert 'Self-test: ' in out
    assert 'seed0003: step   40/40' in out and 'seed0003: step   40/40' in (folder / 'log.txt').read_text()


def test_target_of_a_seed_is_the_picture_of_run_generator(program, tmp_path):
    code, _, err = program('project-generated-images', '--seeds=5', '--num-steps=1', '--num-snapshots=0',
                           '--truncation-psi=0.7', '--distance=pixel')
    assert code == 0, err
    Gs = pretrained.load_generator(pretrained.resolve('net.pkl'))
    rnd = np.random.RandomState(5)
    latents = rnd.randn(1, 8)
    for i in range(5):
        Gs.set_var('G_synthesis/noise%d' % i, rnd.randn(*Gs.get_var('G_synthesis/noise%d' % i).shape))
    image = Gs.run(latents, None, truncation_psi=0.7, randomize_noise=False)[0]
    expected = np.clip(np.rint((image.transpose(1, 2, 0) + 1) * 127.5), 0, 255)
    found = _read(tmp_path / 'results' / '00000-project-generated-images' / 'seed0005-target.png')
    assert np.abs(found - expected).max() <= 1 and found.std() > 1


def test_images_of_a_dataset_are_projected_in_order(program, tmp_path):
    (tmp_path / 'data' / 'pics').mkdir(parents=True)
    pixels = [write_picture(tmp_path / 'data' / 'pics' / '{}.png'.format(i), seed=i) for i in range(3)]
    (tmp_path / 'data' / 'pics' / 'notes.txt').write_text('not a picture')
    code, out, err = program('project-real-images', '--dataset=pics', '--data-dir=data', '--num-images=2',
                             '--num-steps=2', '--num-snapshots=1', '--distance=pixel')
    assert code == 0 and 'Not taken: 1\n     1  .txt: not a picture\n' in out, err
    folder = tmp_path / 'results' / '00000-project-real-images'
    assert _pictures(folder) == ['image0000-step0002.png', 'image0000-target.png', 'image0001-step0002.png',
                                 'image0001-target.png']
    for i in range(2):
        np.testing.assert_array_equal(_read(folder / 'image{:04d}-target.png'.format(i)), pixels[i])


@pytest.mark.parametrize('kind, measure', [('file', 'lpips-vgg'), ('zip', 'pixel')])
def test_own_images_are_cropped_and_projected(program, tmp_path, kind, measure):
    (tmp_path / 'own').mkdir()
    pixels = write_picture(tmp_path / 'own' / 'a.png', size=(20, SIZE))
    path = {'file': 'own/a.png', 'zip': 'own.zip'}[kind]
    with zipfile.ZipFile('own.zip', 'w') as archive:
        archive.write('own/a.png', 'a.png')
    options = [] if measure == 'lpips-vgg' else ['--distance=' + measure]  # that is the default
    options += ['--num-steps=12', '--num-snapshots=1', '--result-dir=out']
    code, out, err = program('project-images', path, *options)
    assert code == 0, err
    assert re.search(r'\nAbout [0-9]+s for 1 picture, 12 steps each\n', out)
    folder = tmp_path / 'out' / '00000-project-images'
    assert _pictures(folder) == ['a-difference.png', 'a-projection.png', 'a-step0012.png', 'a-target.png']
    np.testing.assert_array_equal(_read(folder / 'a-target.png'), pixels[:, 2:18])
    np.testing.assert_array_equal(_read(folder / 'a-step0012.png'), _read(folder / 'a-projection.png'))
    row, = [json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines()]
    assert row['picture'] == 'a' and row['file'].endswith('a.png') and row['steps'] == 12 and row['seed'] == 0
    assert 0 < row['distance'] < row['start_distance'] and row['measure'] == measure and row['seconds'] > 0
    error = np.mean(np.square((_read(folder / 'a-projection.png') / 127.5) - _read(folder / 'a-target.png') / 127.5))
    np.testing.assert_allclose(row['pixel'], error, rtol=1e-3)
    np.testing.assert_allclose(row[measure.replace('-', '_')], row['distance'], rtol=0.1)  # of 8 bits, of float32
    assert row['lpips_vgg'] > 0 and row['lpips_alex'] is None  # the pictures are too small for it
    with open(str(folder / 'results.csv')) as file:
        assert [float(item['distance']) for item in csv.DictReader(file)] == [row['distance']]
    arrays = np.load(str(folder / 'a.npz'))
    assert arrays['dlatents'].shape == (1, 6, 8) and arrays['noise4'].shape == (1, 1, 16, 16)
    assert str(arrays['network_hash']) == row['network_hash'] and len(row['network_hash']) == 16


def _results(folder):
    rows = [json.loads(line) for line in (folder / 'results.jsonl').read_text().splitlines()]
    for row in rows:
        row.pop('seconds')
    return rows, [dict(np.load(str(folder / (row['picture'] + '.npz')))) for row in rows]


def test_an_interrupted_run_is_continued(program, tmp_path, monkeypatch):
    (tmp_path / 'own').mkdir()
    for i in range(3):
        write_picture(tmp_path / 'own' / '{}.png'.format(i), seed=i)
    args = ['project-images', 'own', '--num-steps=3', '--minibatch=1', '--distance=pixel']
    save, saved = commands.results.save_triples, []

    def interrupted_save(target, image, folder, key):
        if len(saved) == 1:
            raise KeyboardInterrupt
        saved.append(key)
        save(target, image, folder, key)

    monkeypatch.setattr(commands.results, 'save_triples', interrupted_save)
    assert program(*args)[0] == 130
    folder = tmp_path / 'results' / '00000-project-images'
    assert len(_results(folder)[0]) == 1 and not (folder / 'complete.txt').exists()
    with mock.patch.object(session.network_file, 'weights_hash', return_value='another network by that name'):
        code, out, _ = program(*args)  # whose pictures are those of another one: the first is done again, then it stops
    assert code == 130 and 'Resuming in' in out and 'done already' not in out
    monkeypatch.setattr(commands.results, 'save_triples', lambda *a: (saved.append(a[3]), save(*a)))
    code, out, err = program(*args)
    assert code == 0, err
    assert 'Resuming in' in out and '1 of 3 pictures are done already' in out and saved == ['0', '1', '2']
    code, _, err = program(*args)  # nothing is left to continue: a new run, which nothing interrupts
    assert code == 0, err
    rows, arrays = _results(folder)
    whole_rows, whole_arrays = _results(tmp_path / 'results' / '00001-project-images')
    assert rows == whole_rows and len(arrays) == len(whole_arrays) == 3
    for found, expected in zip(arrays, whole_arrays):
        for name in expected:
            np.testing.assert_array_equal(found[name], expected[name])


def test_a_corrupt_picture_does_not_stop_the_others(program, tmp_path):
    (tmp_path / 'own').mkdir()
    names = ['{:02d}'.format(i) for i in range(10)]
    for i, name in enumerate(names):
        write_picture(tmp_path / 'own' / '{}.png'.format(name), seed=i)
    data = (tmp_path / 'own' / '06.png').read_bytes()
    (tmp_path / 'own' / '06.png').write_bytes(data[:len(data) // 2])
    code, out, err = program('project-images', 'own', '--num-steps=1', '--distance=pixel', '--minibatch=7')
    assert code == 1 and '06.png: unreadable image' in out, err
    assert 'Exit code 1, since 1 of the pictures cannot' in out
    folder = tmp_path / 'results' / '00000-project-images'
    assert [row['picture'] for row in _results(folder)[0]] == names[:6] + names[7:]
    assert '\n6,own/06.png,' in (folder / 'skipped.csv').read_text()


def test_options_of_the_search(program, tmp_path, monkeypatch):
    write_picture(tmp_path / 'a.png', size=(SIZE, SIZE // 2))
    PIL.Image.new('L', (8, 8), 255).save('white.png')
    options = ['--distance=pixel', '--space=w+', '--noise=fixed', '--restarts=2', '--fit=pad', '--mask=white.png',
               '--save-video', '--plateau=5', '--num-steps=60', '--preset=fast', '--seed=3']
    code, _, err = program('project-images', 'a.png', *options)
    assert code == 0, err
    folder = tmp_path / 'results' / '00000-project-images'
    (row,), (arrays,) = _results(folder)
    assert row['space'] == 'w+' and row['restart'] in (0, 1) and row['seed'] == 3 and 5 <= row['steps'] < 60
    assert np.abs(arrays['dlatents'] - arrays['dlatents'][:, :1]).max() > 0
    assert any(path.name.startswith('a-frames') or path.name == 'a.mp4' for path in folder.iterdir())
    _refused_later(program('project-images', 'a.png', '--start-dlatents=' + str(folder / 'a.npz')), 'space w+')
    code, _, err = program('project-images', 'a.png', '--start-dlatents=' + str(folder / 'a.npz'), '--space=w+',
                           '--distance=pixel', '--num-steps=1', '--noise=fixed', '--fit=pad', '--seed=3')
    assert code == 0, err
    (again,), _ = _results(tmp_path / 'results' / '00001-project-images')
    assert row['distance'] < 0.99 * row['start_distance']
    assert again['start_distance'] == pytest.approx(row['distance'], rel=1e-3)  # the tiny generator's noise is off
    monkeypatch.setattr(projector.Projector, 'draw_candidates', None)  # where it begins is given
    code, _, err = program('project-images', 'a.png', '--start-dlatents=' + str(folder / 'a.npz'), '--space=w+',
                           '--distance=pixel', '--num-steps=1', '--preset=fast')
    assert code == 0, err


def _refused_later(result, *parts):
    code, _, err = result
    assert code == 2 and err.count('\n') == 1 and all(part in err for part in parts), err


def _calibrate(program, tmp_path, name, *args):
    code, out, err = program('calibrate', '--generated=19', '--reals', 'reals', '--steps=6', '--distance=pixel',
                             '--robustness=0', '--minibatch=19', '--result-dir=' + name, *args)
    assert code == 0, err
    return str(tmp_path / name / '00000-calibrate' / 'calibration.json'), out


def test_calibration_and_detection(program, tmp_path):
    (tmp_path / 'reals').mkdir()
    for i in range(20):
        write_picture(tmp_path / 'reals' / '{:02d}.png'.format(i), seed=i)
    path, out = _calibrate(program, tmp_path, 'first')
    assert 'AUC 1.0000' in out and 'this very network' in out
    folder = os.path.dirname(path)
    assert {'calibration.png', 'generated.png', 'real.png', 'distances.csv'} <= set(os.listdir(folder))
    with open(path) as file:
        content = json.load(file)
    assert len(content['real']['distances']) == 19 and content['settings']['num_steps'] == 6
    code, _, err = program('project-generated-images', '--seeds=100', '--num-steps=1', '--num-snapshots=0',
                           '--distance=pixel', '--result-dir=made')
    assert code == 0, err
    made = str(tmp_path / 'made' / '00000-project-generated-images' / 'seed0100-target.png')
    write_picture(tmp_path / 'unknown.png', seed=99)
    code, out, err = program('detect', made, 'unknown.png', '--calibration=' + path)
    assert code == 0, err
    folder = tmp_path / 'results' / '00000-detect'
    rows = [json.loads(line) for line in (folder / 'detections.jsonl').read_text().splitlines()]
    assert [row['verdict'] for row in rows] == ['generated by this network', 'not']
    assert [row['made_by_this'] for row in rows] == [True, False] and rows[0]['margin'] is None
    assert rows[0]['p_fine'] > 0.05 >= rows[1]['p_fine'] and rows[0]['fine_error'] < rows[1]['fine_error']
    assert _read(folder / 'unknown-triple.png').shape == (SIZE, 3 * SIZE, 3)
    assert 'Scope:' in (folder / 'report.txt').read_text() and 'Scope:' in out
    assert ', shared_candidates=' in out and '{' not in out and '=None' not in out.split('Scope:')[1]
    _refused_later(program('detect', made, '--calibration=' + path, '--error-rate=0.01'), '99 of each')
    _refused_later(program('detect', made, '--calibration=' + path, '--steps=7'), 'num-steps 6, not 7')
    _refused_later(program('detect', made, '--calibration=' + path, '--space=w+'), 'W only')
    _refused_later(program('detect', made, '--calibration=' + path, '--network=other-net.pkl'), 'other-net.pkl')

    second, _ = _calibrate(program, tmp_path, 'second', '--network=other-net.pkl', '--jpeg=90')
    code, out, err = program('detect', made, 'unknown.png', '--calibration=' + second, '--calibration=' + path)
    assert code == 0, err
    rows = [json.loads(line) for line in (
        tmp_path / 'results' / '00001-detect' / 'detections.jsonl').read_text().splitlines()]
    assert [row['made_by_this'] for row in rows] == [False, True, False, False] and rows[1]['margin'] > 0
    assert [row['nearest'] for row in rows[:2]] == [False, True]
    assert 'made by net.pkl' in out and 'made by none' in out
    assert out.count('calibrated for pictures changed by jpeg=90') == 1

    with mock.patch.object(detection.report, 'write', side_effect=KeyboardInterrupt):
        assert program('detect', made, '--calibration=' + path)[0] == 130
    content['settings']['num_steps'] = 5  # another calibration in the same place: what was measured is of no use
    with open(path, 'w') as file:
        json.dump(content, file)
    with mock.patch.object(session.Session, 'project', autospec=True, side_effect=session.Session.project) as project:
        code, out, err = program('detect', made, '--calibration=' + path)
    assert code == 0 and 'Resuming in' in out and project.called, err


def test_calibration_measures_robustness_and_continues(program, tmp_path, monkeypatch):
    monkeypatch.setattr(detection.perturb, 'ROBUSTNESS', ('jpeg=50', 'blur=1'))
    args = ['calibrate', '--generated=4', '--reals=cats', '--steps=2', '--distance=pixel', '--robustness=3',
            '--jpeg=80', '--error-rates=0.25,0.1']
    with mock.patch.object(detection.plots, 'calibration_plot', side_effect=KeyboardInterrupt):
        assert program(*args)[0] == 130
    table = (tmp_path / 'results' / '00000-calibrate' / 'distances.csv').read_text()
    with mock.patch.object(session.network_file, 'weights_hash', return_value='another network by that name'):
        with mock.patch.object(session.Session, 'project', side_effect=KeyboardInterrupt):
            assert program(*args)[0] == 130
    with mock.patch.object(session.Session, 'project', side_effect=AssertionError('measured again')):
        code, out, err = program(*args)
    assert code == 0, err
    assert 'Resuming in' in out
    assert (tmp_path / 'results' / '00000-calibrate' / 'distances.csv').read_text() == table
    with open(str(tmp_path / 'results' / '00000-calibrate' / 'calibration.json')) as file:
        content = json.load(file)
    assert content['error_rates'] == [0.1, 0.25] and [row['error_rate'] for row in content['thresholds']] == [0.25]
    assert content['changes'] == 'jpeg=80' and content['real']['source'] == 'held-out cats'
    assert [(row['change'], row['generated'], row['real']) for row in content['robustness']] == [
        ('jpeg=50', 3, 3), ('blur=1', 3, 3)]
    assert all(0 <= row['auc'] <= 1 for row in content['robustness'])


def test_padded_pictures_are_judged_by_what_is_compared(program, tmp_path, monkeypatch):
    (tmp_path / 'own').mkdir()
    PIL.Image.fromarray(np.zeros([10, 40, 3], np.uint8)).save(str(tmp_path / 'own' / 'wide.png'))
    shares = []

    def compared(distance, mask):
        shares.append(float(mask.mean()))
        return 7.0 + len(shares)

    monkeypatch.setattr(detection.calibration, 'compared_distance', compared)
    code, _, err = program('calibrate', '--generated=4', '--reals=cats', '--fit=pad', '--steps=1', '--distance=pixel',
                           '--robustness=0', '--error-rates=0.25')
    assert code == 0, err
    made = os.path.join('results', '00000-calibrate', 'calibration.json')
    with open(made) as file:
        content = json.load(file)
    assert sorted(content['generated']['distances'] + content['real']['distances']) == list(range(8, 16))
    code, _, err = program('detect', 'own', '--calibration=' + made, '--error-rate=0.25')
    assert code == 0, err
    assert shares == [1.0] * 8 + [0.25]
    with open(os.path.join('results', '00001-detect', 'distances.csv')) as file:
        assert [float(row['distance']) for row in csv.DictReader(file)] == [16]


def _refused(result, *parts):
    code, _, err = result
    assert code == 2 and err.count('\n') == 1, err
    for part in parts:
        assert part in err
    assert not os.path.exists('results')


def test_unusable_images_are_refused_in_one_line(program, tmp_path):
    (tmp_path / 'own').mkdir()
    _refused(program('project-images', 'own'), 'own', 'no images')
    (tmp_path / 'text.png').write_text('not a picture')
    _refused(program('project-images', 'text.png'), 'text.png', 'unreadable')
    for name, size in (('dot.png', (1, 1)), ('long.png', (20000, 16))):
        PIL.Image.new('RGB', size).save(name)
        _refused(program('project-images', name), name, 'expected sides')
    _refused(program('project-images', 'missing.png'), 'missing.png', 'no such file')


def test_datasets_of_another_shape_are_refused(program, tmp_path):
    (tmp_path / 'pics').mkdir()
    write_picture(tmp_path / 'pics' / 'a.png', size=(32, 32))
    _refused(program('project-real-images', '--dataset=pics'), '[3, 32, 32]', '[3, 16, 16]', 'project-images')
    write_picture(tmp_path / 'pics' / 'a.png')
    _refused(program('project-real-images', '--dataset=pics'), '--num-images=3', '1 images')
    _refused(program('project-real-images', '--dataset=none'), 'none', 'no such dataset')
    _refused(program('project-real-images', '--dataset=pics', '--data-dir=nowhere'), 'nowhere')


@pytest.mark.parametrize('args, part', [
    (['project-generated-images', '--seeds=a'], 'a'), (['project-generated-images', '--num-steps=0'], 'at least 1'),
    (['project-generated-images', '--truncation-psi=abc'], 'abc'), (['project-real-images'], '--dataset'),
    (['project-images', 'x.png', '--network=missing.pkl'], 'missing.pkl'),
    (['project-images', 'x', '--seed=-1'], '-1'), (['calibrate'], '--reals'),
    (['calibrate', '--reals=cats', '--generated=8'], 'an error rate of 10% takes at least 9 of each'),
    (['calibrate', '--reals', 'pics', '--num-reals=1'], 'too few pictures: 64 generated and 1 real'),
    (['calibrate', '--reals', 'pics', '--num-reals=3'], '3 real pictures are asked for, but pics has 2; use'),
    (['calibrate', '--reals=cats', '--num-reals=36001'], 'cats has 36000'),
    (['calibrate', '--reals=cats', '--space=w+'], 'W only'), (['calibrate', '--reals=cats', '--jpeg=0'], 'jpeg=0'),
    (['detect', 'net.pkl', '--calibration=pics/gone.json'], 'pics/gone.json: the network none.pkl, which it was made'),
    (['detect', 'x.png', '--calibration=none.json'], 'x.png'), (['detect', 'x.png'], '--calibration'),
    (['detect', 'net.pkl', '--calibration=none.json'], 'none.json'),
    (['detect', 'x.png', '--calibration=y', '--error-rate=0.7'], '0.7')])
def test_bad_options_are_refused_before_tensorflow_starts(program, tmp_path, monkeypatch, args, part):
    monkeypatch.setattr(cli, 'load_tensorflow', lambda: pytest.fail('TensorFlow was loaded'))
    (tmp_path / 'pics').mkdir()
    for i in range(2):
        write_picture(tmp_path / 'pics' / '{}.png'.format(i), seed=i)
    fields = dict(calibration_fields(), network=str(tmp_path / 'none.pkl'))
    (tmp_path / 'pics' / 'gone.json').write_text(json.dumps(fields))
    result = program(*args)
    _refused(result, part)
    assert str(tmp_path) not in result[2]


def test_built_in_cats_are_the_held_out_ones(program, tmp_path):
    (tmp_path / 'cats').mkdir()  # without --data-dir the name still means the built-in ones
    (tmp_path / 'classes.json').write_text('{')  # that of a stranger
    code, _, err = program('project-real-images', '--network=cats64', '--dataset=cats', '--num-images=1',
                           '--num-steps=1', '--num-snapshots=1', '--distance=pixel')
    assert code == 0, err
    from training.data.cats import CatsDataset
    with CatsDataset(resolution=SIZE, held_out=True, shuffle_mb=0) as cats:
        expected = cats.read(0).transpose(1, 2, 0)
    folder = tmp_path / 'results' / '00000-project-real-images'
    np.testing.assert_array_equal(_read(folder / 'image0000-target.png'), expected)
