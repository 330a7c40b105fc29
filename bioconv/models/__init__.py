"""Architectures, and the one file a model is kept in."""
