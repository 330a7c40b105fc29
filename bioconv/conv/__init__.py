"""The convolution core: array and compiled kernels, no biology."""
