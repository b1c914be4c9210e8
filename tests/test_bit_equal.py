"""The code continues a state of 5e95ed0, the last tree before the rooms, as that tree did; and a difference is noticed.

`tests/data/bit_equal` holds the state and how the old code continued it, for each TensorFlow one `.npz` of all
variables and one `.json` of what their last bits depend on. benchmarks/bit_equal.py --make-golden wrote it.
"""

import json

import numpy as np
import pytest

from benchmarks import bit_equal

TOLERANCE = 1e-5  # of a variable's norm; another TensorFlow, processor, or number of threads reaches 3e-6


def golden_continuations(folder):
    """What the old code made of the state: list of (fingerprint, {name: array})."""
    found = []
    for path in sorted(folder.glob('tensorflow-*.json')):
        with np.load(str(path.with_suffix('.npz'))) as arrays:
            values = bit_equal.widened({name.replace('|', '/'): arrays[name] for name in arrays.files})
        found.append((json.loads(path.read_text()), values))
    return found


def distances(actual, expected):
    """Distance of each variable from what is expected, as a share of the norm: {name: share}."""
    assert sorted(actual) == sorted(expected)
    found = {}
    for name, value in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (value.dtype, value.shape), name
        distance = np.linalg.norm(np.ravel(actual[name] - value.astype(np.float64)))
        found[name] = distance / (np.linalg.norm(np.ravel(value)) or 1)
    return found


def check(actual, here, golden):
    """Compares variables with the old code's: every byte if it ran under the same fingerprint, else the distances.

    Returns: What was compared, a text. Raises: AssertionError naming the variables that differ.
    """
    same = [values for fingerprint, values in golden if fingerprint == here]
    if same:
        assert not bit_equal.differing_bytes(same[0], actual)
        return 'the same machine and TensorFlow: byte for byte'
    alike = [values for fingerprint, values in golden if fingerprint['tensorflow'] == here['tensorflow']]
    shares = distances(actual, (alike or [golden[-1][1]])[0])
    assert not {name: share for name, share in shares.items() if not share <= TOLERANCE}
    return 'another machine or TensorFlow: within {:g} of the norm'.format(TOLERANCE)


def test_a_state_of_the_old_code_is_continued_to_the_same_values(tmp_path, data_dir, capsys, record_property):
    actual = bit_equal.continue_golden(bit_equal.ROOT, str(data_dir / 'bit_equal' / 'state'), str(tmp_path))
    compared = check(actual, bit_equal.fingerprint(), golden_continuations(data_dir / 'bit_equal'))
    record_property('compared', compared)
    with capsys.disabled():
        print('\n{} variables of a continued training compared with the old code, {}'.format(len(actual), compared))


def test_another_machine_may_differ_a_little():
    here, there = dict(tensorflow='2', processor_sha256='a'), dict(tensorflow='2', processor_sha256='b')
    values = {'w': np.float32([1, 2, 3]), 'empty': np.zeros([0], np.float32), 'zero': np.zeros(2, np.float32)}
    golden = [(dict(here, tensorflow='1'), {}), (here, values)]
    assert 'byte for byte' in check(values, here, golden)
    assert 'within' in check(values, there, golden)
    close, far, lost = [dict(values, w=values['w'] * np.float32(factor)) for factor in (1 + 5e-6, 1 + 2e-5, np.nan)]
    assert 'within' in check(close, there, golden)
    for wrong, fingerprint in [(close, here), (far, there), (lost, there), ({'w': values['w']}, there)]:
        with pytest.raises(AssertionError):
            check(wrong, fingerprint, golden)


def test_a_step_is_far_beyond_the_tolerance(data_dir):
    _, values = golden_continuations(data_dir / 'bit_equal')[0]
    before = bit_equal.read_checkpoint(str(data_dir / 'bit_equal' / 'state' / 'variables'))
    shares = distances(before, values)
    trained = [share for name, share in shares.items() if name.startswith('D/') and name.endswith('/weight')]
    assert len(trained) > 5 and min(trained) > 100 * TOLERANCE


def test_different_bytes_are_counted():
    a = {'same': np.zeros(3), 'nan': np.float32([np.nan]), 'bit': np.float32([1, 2]), 'type': np.zeros(2, np.int32),
         'old only': np.zeros([0])}
    b = dict(a, bit=np.nextafter(a['bit'], np.float32(9)), type=np.zeros(2, np.float32), new=np.zeros(5, np.uint8))
    del b['old only']
    assert bit_equal.differing_bytes(a, a) == {}
    assert bit_equal.differing_bytes(a, b) == {'bit': 2, 'type': 8, 'old only': 1, 'new': 5}
    assert bit_equal.differing_bytes({'zero': np.float32([0.0])}, {'zero': np.float32([-0.0])}) == {'zero': 1}


@pytest.mark.parametrize('changed', ['weights', 'rest'])
def test_a_changed_network_file_is_noticed(tmp_path, data_dir, changed):
    data = (data_dir / 'configf_r32.pkl').read_bytes()
    for name in ('old', 'new'):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'network-final.pkl').write_bytes(data)
    old = bit_equal.read_run(str(tmp_path / 'old'))
    assert len(old) > 50 and bit_equal.differing_bytes(old, bit_equal.read_run(str(tmp_path / 'new'))) == {}
    name, value = max(old.items(), key=lambda item: 0 if item[0].endswith(':rest') else item[1].nbytes)
    if changed == 'weights':
        data = data.replace(value.tobytes(), np.negative(value).tobytes())
    else:
        name = 'network-final.pkl:rest'
        data = data.replace(b'static_kwargs', b'static_kwargz')
    (tmp_path / 'new' / 'network-final.pkl').write_bytes(data)
    assert list(bit_equal.differing_bytes(old, bit_equal.read_run(str(tmp_path / 'new')))) == [name]
