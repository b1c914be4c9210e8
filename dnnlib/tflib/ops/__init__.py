"""Custom operations: bias and activation, resampling, convolutions. `ref` (plain TensorFlow) defines the meaning."""
