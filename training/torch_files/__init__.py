"""Networks in the files of PyTorch programs."""
