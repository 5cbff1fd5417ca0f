"""Training rows with the names that sentences about them need, how many each class has, and what is odd about them."""
