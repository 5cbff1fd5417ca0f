"""Stage 3: a model becomes metrics, predictions and plots."""
