"""A model applied to rows: logits, probabilities, predictions.csv."""
