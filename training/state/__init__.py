"""What a training saves and begins from."""
