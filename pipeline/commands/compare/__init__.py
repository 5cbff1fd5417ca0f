"""`python -m pipeline compare`: what differs between two versions of the pipeline, and nothing else."""
