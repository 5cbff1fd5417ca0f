"""What `python -m pipeline verify` is made of: run a commit again, and compare every byte with what was recorded."""
