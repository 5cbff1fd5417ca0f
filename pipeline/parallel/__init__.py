"""Workers, threads and lazy sequences: who computes what, and when."""
