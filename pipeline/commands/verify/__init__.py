"""`python -m pipeline verify`: run a commit again, and compare every byte with what was recorded."""
