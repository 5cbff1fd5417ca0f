"""The git and DVC repository of a project: where it stands, and what a revision holds."""
