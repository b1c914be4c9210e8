"""Custom operations: bias and activation, resampling filters, convolutions. `ref` (plain TensorFlow) defines the meaning."""
