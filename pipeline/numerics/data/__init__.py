"""Training rows in the forms that the solvers take: blocks, packed rows, samples, pieces on a device."""
