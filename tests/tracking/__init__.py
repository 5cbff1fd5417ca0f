"""Tests of pipeline.tracking, on a real MLflow with SQLite."""
