"""Projection of pictures into the latent space of a generator."""
