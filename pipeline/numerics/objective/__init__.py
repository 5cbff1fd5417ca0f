"""The objective and its derivatives: plain for first-order solvers, packed for those that pass many times."""
