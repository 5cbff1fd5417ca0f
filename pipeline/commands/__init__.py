"""The words of the command line; the only place that starts a stage."""
