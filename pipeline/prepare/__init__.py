"""Stage 1: a table becomes a dataset."""
