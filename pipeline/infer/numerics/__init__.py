"""Inference on a softmax regression: sums over rows, the maximum of the likelihood, covariances, effects, influence."""
