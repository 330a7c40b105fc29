"""How good predictions are: metrics, their intervals, calibration. NumPy only."""
