"""Stage 2: a dataset becomes a model."""
