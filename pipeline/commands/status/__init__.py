"""Without a word: where the project is, what is out of date and why, what to do next."""
