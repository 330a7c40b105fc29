"""The common trainer: one loop for sequence and image models, which knows nothing of either."""
