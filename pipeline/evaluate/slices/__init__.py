"""Metrics of parts of the rows: of each value of a column, or of ranges of its numbers."""
