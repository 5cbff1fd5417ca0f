"""Proofs of the distance from the optimum: duality gaps."""
