"""The MLflow store, opened safely and searched."""
