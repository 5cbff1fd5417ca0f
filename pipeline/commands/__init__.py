"""What a person types; the only place that starts a stage."""
