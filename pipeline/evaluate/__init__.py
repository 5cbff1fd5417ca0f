"""Stage 5: a model becomes metrics, predictions and plots."""
