"""Files of networks: pickles, arrays, PyTorch files; nothing in them is ever executed."""
