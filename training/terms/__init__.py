"""Formulas of training: what scores are worth (criteria), what is penalized (penalties), kept (content, consistency),
and told apart (nce)."""
