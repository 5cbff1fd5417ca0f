"""Cross-validation over the training rows: the l2 that predicts best."""
