"""Reading datasets."""
