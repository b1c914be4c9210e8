"""What `run_generator.py` does beside the published commands: one subject a module."""
