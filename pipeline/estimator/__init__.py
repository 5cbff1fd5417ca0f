"""The pipeline's softmax regression as an estimator of scikit-learn."""
