"""What `dataset_tool.py` calls: other datasets, writing, exporting, checking."""
