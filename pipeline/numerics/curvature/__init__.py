"""The Hessian and its approximations: exact, sampled, by classes, on the diagonal."""
