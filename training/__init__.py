"""Networks, losses, data sets and the training loop."""
