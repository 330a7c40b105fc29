"""Segmentation: masks of whatever size of image, instances, measurements, and the training of segmenters."""
