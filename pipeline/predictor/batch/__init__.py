"""Predictions of every row of a table into a file or folder: in flat memory, with the same bytes however it is run."""
