"""Curves: which quantities are drawn, from what, and one line for bad input."""

import json

import numpy as np
import pytest
from PIL import Image

from dnnlib import UserError
from training import plot


def write_run(folder, kimgs, **tags):
    """Writes the statistics of a run; each tag has a value per tick."""
    folder.mkdir()
    with open(str(folder / 'stats.jsonl'), 'w') as f:
        for i, kimg in enumerate(kimgs):
            f.write(json.dumps(dict({tag.replace('__', '/'): values[i] for tag, values in tags.items()},
                                    **{'Progress/kimg': kimg})) + '\n')
    return str(folder)


def test_values_that_were_not_counted_are_left_out(tmp_path):
    run = write_run(tmp_path / 'a', [1, 2, 3], Loss__pl_lengths=[0.5, None, 0.7])
    assert plot.series(plot.read_stats(run), 'Loss/pl_lengths') == [(1, 0.5), (3, 0.7)]


def test_a_metric_counts_where_it_is_new(tmp_path):
    run = write_run(tmp_path / 'a', [1, 2, 3, 4], Metrics__fid5k=[9.0, 9.0, 7.0, 7.0])
    assert plot.series(plot.read_stats(run), 'Metrics/fid5k') == [(1, 9.0), (3, 7.0)]


def test_panels_are_those_with_values(tmp_path):
    run = write_run(tmp_path / 'a', [1, 2], Loss__scores__real=[1, 2], Progress__lod=[0.0, 0.0], Metrics__x=[1, 2],
                    Timing__sec_per_kimg=[None, None])
    assert [title for title, _, _ in plot.panels([plot.read_stats(run)])] == ['scores of D', 'x']


def test_panels_for_everything_that_a_training_reports(tmp_path):
    tags = ['Loss__G', 'Loss__D', 'Loss__scores__real', 'Loss__scores__fake', 'Loss__gradient_penalty',
            'Loss__pl_lengths', 'Loss__pl_penalty', 'Metrics__fid5k', 'Progress__diversity', 'Progress__augment',
            'Progress__overfitting', 'Timing__sec_per_kimg', 'Resources__host_mem_gb']
    run = write_run(tmp_path / 'a', [1, 2], alarms=[{}, {'D saturated': 'x'}], **{tag: [1.0, 2.0] for tag in tags})
    assert [title for title, _, _ in plot.panels([plot.read_stats(run)])] == [
        'loss', 'scores of D', 'gradient penalty', 'path length', 'path length penalty', 'fid5k',
        'diversity, relative to reals', 'augmentation', 'seconds per kimg', 'memory, GiB']


def test_panels_of_metrics_say_how_they_were_measured(tmp_path):
    run = write_run(tmp_path / 'a', [1, 2], Metrics__fid5k=[9.0, 7.0], Metrics__x=[1, 2])
    record = dict(results={'fid5k': 7.0}, extractor='inception', resize='bilinear', num_reals=70, num_fakes=5000,
                  weights_sha256='0123456789abcdef')
    (tmp_path / 'a' / 'metric-fid5k.jsonl').write_text('{}\n' + json.dumps(record) + '\n')
    titles = plot.read_titles(run)
    assert titles == {'Metrics/fid5k': 'fid5k\ninception, bilinear, 70 reals, 5000 fakes, sha256\n01234567...'}
    shown = [title for title, _, _ in plot.panels([plot.read_stats(run)], titles)]
    assert shown == [titles['Metrics/fid5k'], 'x']
    (tmp_path / 'a' / 'metric-fid5k.jsonl').write_text('{}')
    with pytest.raises(UserError, match='not a metric record'):
        plot.read_titles(run)


def test_scores_of_held_out_images_have_a_panel(tmp_path):
    run = write_run(tmp_path / 'a', [1, 2], Holdout__scores__train=[1, 2], Holdout__scores__held_out=[1, 1],
                    Holdout__scores__generated=[0, -1])
    (title, tags, _), = plot.panels([plot.read_stats(run)])
    assert title == 'mean scores of D' and [plot._short(tag) for tag in tags] == ['train', 'held_out', 'generated']


def test_names_in_a_panel_differ():
    for _title, tags, _is_logarithmic in plot.PANELS:
        assert len({plot._short(tag) for tag in tags}) == len(tags)
    assert [plot._short(f'Train{name}/learning_rate') for name in 'GD'] == ['G', 'D']


def test_two_runs_are_drawn_into_one_picture(tmp_path, capsys):
    pytest.importorskip('matplotlib')
    runs = [write_run(tmp_path / name, [1, 2, 3], Loss__scores__real=[1, 2, 3], Loss__scores__fake=[0, -1, -2],
                      Timing__sec_per_kimg=[50, 40, 30]) for name in 'ab']
    plot.main(runs)
    pixels = np.asarray(Image.open(str(tmp_path / 'a' / 'curves.png')).convert('RGB'))
    assert pixels.shape[1] > pixels.shape[0] > 200 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 50
    assert capsys.readouterr().out == 'Wrote {}\n'.format(tmp_path / 'a' / 'curves.png')


@pytest.mark.parametrize('content, text', [
    (None, 'no statistics here'), ('{"a": 1}\n', 'line 1'), ('', 'no values yet'),
    ('{"Progress/kimg": 1}\n{"Progress/ki', 'line 2')])
def test_bad_input_is_one_sentence(tmp_path, content, text):
    if content is not None:
        (tmp_path / 'stats.jsonl').write_text(content)
    if text == 'no values yet':
        pytest.importorskip('matplotlib')
    with pytest.raises(UserError, match=text):
        plot.main([str(tmp_path)])
