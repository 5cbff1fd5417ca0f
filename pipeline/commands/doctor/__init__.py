"""`python -m pipeline doctor`: what stands in the way of the promises on this machine."""
