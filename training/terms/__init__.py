"""Formulas of training: what scores are worth (criteria), what is penalized (penalties, consistency)."""
