"""What a training tells about itself."""
