"""Where runs are: the MLflow store, opened safely and searched."""
