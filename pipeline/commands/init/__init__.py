"""`python -m pipeline init`: a params.yaml for a table."""
