"""Diagnostics of the training rows: constant and collinear columns, separable classes."""
