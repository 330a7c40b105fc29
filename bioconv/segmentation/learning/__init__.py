"""Training segmenters: data, patches, recipe, scores on whole images, the model file."""
