"""Translating pictures with trained networks: which network, at which size, in which pieces, from which files."""
