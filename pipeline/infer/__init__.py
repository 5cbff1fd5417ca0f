"""Stage 4: standard errors, tests and effects of the softmax regression on the prepared training rows."""
