"""Sums and roots whose bits depend on nothing but the numbers."""
