"""The options of a training: presets, the command line, what is chosen automatically."""
