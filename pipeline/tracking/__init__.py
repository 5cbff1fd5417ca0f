"""MLflow's side of the story: mirrors finished files into runs. Nothing outside this package imports mlflow.

It runs as a process of its own, ``python -m pipeline.tracking``, which ``pipeline.mirror`` starts and feeds.
"""
