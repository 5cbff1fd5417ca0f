"""`python -m pipeline report REV -o FILE`: the page of a commit, a DVC experiment or an MLflow run."""
