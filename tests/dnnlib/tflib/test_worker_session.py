"""Calls that TensorFlow refuses because two of them drew the same number."""

import pytest
import tensorflow.compat.v1 as tf

from dnnlib.tflib import worker_session

TWICE = 'The same RunGraph (Worker) request was received twice. graph_handle: "000000000000000e"'
PART = TWICE.replace('RunGraph (Worker)', 'RecvBuf (GrpcWorker)')  # in the middle of a call


@pytest.mark.parametrize('messages, expected', [
    ([], 7), ([TWICE], 7), ([TWICE] * (worker_session.MOST_TRIES - 1), 7),
    ([TWICE] * worker_session.MOST_TRIES, TWICE), ([PART], PART), (['Collective ops is aborted'],
                                                                   'Collective ops is aborted')])
def test_only_refused_calls_are_made_again(monkeypatch, messages, expected):
    left, run = list(messages), tf.Session.run

    def refusing(self, *args, **kwargs):
        if left:
            raise tf.errors.AbortedError(None, None, left.pop(0))
        return run(self, *args, **kwargs)
    monkeypatch.setattr(tf.Session, 'run', refusing)
    with tf.Graph().as_default():
        value = tf.constant(3) + tf.placeholder(tf.int32, [], name='x')
        with worker_session.WorkerSession() as session:
            if expected == 7:
                assert session.run(value, {'x:0': 4}) == 7
            else:
                with pytest.raises(tf.errors.AbortedError) as error:
                    session.run(value, {'x:0': 4})
                assert error.value.message == expected
    assert not left
