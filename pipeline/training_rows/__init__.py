"""Training rows with the names that sentences about them need, and what is odd about them."""
