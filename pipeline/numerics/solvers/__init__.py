"""Solvers: one method a file, and one loop that knows no method."""
