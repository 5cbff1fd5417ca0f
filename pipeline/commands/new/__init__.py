"""`new`: a project for a table in a folder of its own, and later versions of the code brought into it."""
