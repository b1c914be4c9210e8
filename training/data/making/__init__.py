"""Behind `dataset_tool.py`: converting, writing and checking datasets."""
