"""Images that are augmented alike: pictures by the same numbers, maps to the nearest pixel and without colors."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from training.augment import Together, augment_pipeline, diffaugment
from training.augment.geometry import transform_nearest
from training.augment.parameters import Parameters
from training.augment.pipeline import apply, apply_to_map
from training.options import augmentation

RND = np.random.RandomState(0)
PICTURES = RND.uniform(-1, 1, [4, 3, 16, 24]).astype(np.float32)
PLANES = np.float32(RND.randint(4, size=[4, 1, 16, 24]) == np.arange(4)[:, np.newaxis, np.newaxis])


def test_whole_pixels_move_as_those_of_pictures(session):
    parameters = Parameters(
        xflip_i=tf.constant([0.0, 1, 0, 1]), xint_t=tf.constant([[0.125, 0], [-0.125, 0.25], [0, 0], [0.5, -0.5]]))
    moved, found = session.run([apply(tf.constant(PLANES), parameters), apply_to_map(tf.constant(PLANES), parameters)])
    np.testing.assert_array_equal(np.rint(moved), found)  # mirroring passes the filters off the middle of a pixel
    assert set(np.unique(found)) == {0, 1} and not np.array_equal(found, PLANES)
    square = tf.constant(PLANES[..., :16])
    turned = session.run(apply_to_map(square, Parameters(rotate90_i=tf.constant([0.0, 1, 2, 3]))))
    for i in range(4):
        np.testing.assert_array_equal(turned[i], np.rot90(PLANES[i, :, :, :16], i, axes=(1, 2)))


def test_the_nearest_pixel_is_taken_and_nothing_beyond_the_reflection(session):
    ramp = np.broadcast_to(np.arange(32, dtype=np.float32), [1, 1, 32, 32])
    parameters = Parameters(scale_s=tf.constant([1.7]), rotate_pre=tf.constant([0.4]), aniso_s=tf.constant([0.9]))
    image = tf.constant(ramp)
    smooth, found = session.run([apply(image, parameters), transform_nearest(image, parameters)])
    assert np.abs(smooth - found).max() < 0.8 and np.array_equal(found, np.rint(found))  # half a pixel, and the filter
    far, = session.run([transform_nearest(image + 1, Parameters(xfrac_t=tf.constant([[1.5, 0.0]])))])
    assert (far[0, 0, 0, :17] == 0).all() and (far[0, 0, 0, 18:] > 0).all()


@pytest.mark.parametrize('strength', [1, tf.constant])
def test_everything_is_drawn_once(session, strength):
    strength = strength if strength == 1 else strength(1.0)
    together = Together((tf.constant(PICTURES), tf.constant(PICTURES)), (tf.constant(PLANES),))
    options = dict.fromkeys(augmentation.BLIT + augmentation.GEOM + augmentation.COLOR + augmentation.CUTOUT, 1)
    for function, args in ((augment_pipeline, options), (diffaugment, {})):
        found, _ = function(together, None, strength=strength, **args)
        (a, b), (planes,) = session.run([list(found.pictures), list(found.maps)])
        np.testing.assert_array_equal(a, b)
        assert set(np.unique(planes)) == {0, 1} and not np.array_equal(planes, PLANES)
        assert not np.allclose(a, PICTURES, atol=0.1) and planes.shape == PLANES.shape


def test_diffaugment_moves_maps_as_pictures(session):
    together = Together((tf.constant(PLANES[:, :3]),), (tf.constant(PLANES),))
    found, _ = diffaugment(together, None, color=0)
    picture, planes = session.run([found.pictures[0], found.maps[0]])
    np.testing.assert_array_equal(picture, planes[:, :3])


def test_noise_leaves_maps_alone_and_differs_between_pictures(session):
    together = Together((tf.constant(PICTURES), tf.constant(PICTURES)), (tf.constant(PLANES),))
    found, _ = augment_pipeline(together, None, noise=1)
    a, b, planes = session.run(list(found.pictures) + list(found.maps))
    np.testing.assert_array_equal(planes, PLANES)
    ratio = (a - PICTURES).std(axis=(1, 2, 3)) / (b - PICTURES).std(axis=(1, 2, 3))
    assert np.abs(ratio - 1).max() < 0.15 and not np.array_equal(a, b)
