"""The contract of prepare with the other stages: the rows that lie in data/prepared."""
