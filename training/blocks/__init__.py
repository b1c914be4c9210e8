"""What networks are made of: layers, styles, growing; for translation: plain layers, padding, norms, blocks."""
