"""Numerics: arrays in, arrays out. Knows no file, no DVC, no MLflow."""
