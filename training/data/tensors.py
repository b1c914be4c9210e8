"""Minibatches and random labels of a dataset as tensors, which are read whenever a graph is evaluated."""


class Tensors:
    """What a Dataset does with TensorFlow, which is loaded only here."""

    def get_minibatch_tf(self):
        """Tensors of the next minibatch, read at each evaluation, with the size and level last passed to `configure`.

        Returns: `(images, labels)`, uint8 [N, C, h, w] and float32 [N, label_size].
        """
        import tensorflow.compat.v1 as tf
        images, labels = tf.py_func(self._next_minibatch, [], [tf.uint8, tf.float32], stateful=True)
        images.set_shape([None, self.shape[0], None, None])
        labels.set_shape([None, self.label_size])
        return images, labels

    def get_random_labels_tf(self, minibatch_size):
        """Labels of random images, drawn at each evaluation: float32 [N, label_size]; N may be a tensor or an int."""
        import tensorflow.compat.v1 as tf
        from dnnlib.tflib import random
        if self.label_size == 0:
            return tf.zeros([minibatch_size, 0], tf.float32)
        places = random.uniform([minibatch_size], 0, len(self._stream), tf.int32)
        labels = tf.py_func(lambda n: self.read_labels(self._stream[n]), [places], tf.float32, stateful=False)
        static_size = minibatch_size if isinstance(minibatch_size, int) else None
        labels.set_shape([static_size, self.label_size])
        return labels
