"""The networks that metrics measure with, and their weight files."""
