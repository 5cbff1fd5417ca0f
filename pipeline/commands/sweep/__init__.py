"""`python -m pipeline sweep`: the l2 that predicts best, by cross-validation."""
