"""Softmax regression a person can trust, from CSV to probabilities."""
