"""What networks are made of: layers, styles, growing."""
