"""CSV in: a stream of typed columns, what they hold, and where in the file a person finds a fault; knows no model."""
