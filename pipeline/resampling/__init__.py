"""The Poisson bootstrap: how far a statistic of rows would move on other rows like them."""
