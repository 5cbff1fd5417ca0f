"""A model in other languages: ONNX and SQL, and how far their probabilities are from ours."""
