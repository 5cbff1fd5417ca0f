"""Rows with log-probabilities drawn at random, as the fits of `decide` take them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.decide.rows import Block


@dataclass(frozen=True)
class Rows:
    """A list of blocks with the totals that a split has."""

    blocks: list[Block]
    rows: int
    weight: float

    def __iter__(self) -> Iterator[Block]:
        """The blocks in order."""
        return iter(self.blocks)


def drawn(seed: int, n: int, k: int, sharpness: float = 1.0, weighted: bool = False, pieces: int = 1) -> Rows:
    """Logits whose classes are drawn with the softmax of ``sharpness`` times them, and a shift that each row has."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, k)) * 2 + generator.normal(size=k)
    p = np.exp(sharpness * logits)
    p /= p.sum(axis=1, keepdims=True)
    labels = np.array([generator.choice(k, p=row) for row in p])
    weights = generator.integers(0, 4, n).astype(float) if weighted else np.ones(n)
    logits += 100 * generator.normal(size=(n, 1))
    return rows_of(logits, labels, weights, pieces)


def rows_of(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, pieces: int = 1) -> Rows:
    """The rows of positive weight, in so many blocks."""
    counted = np.flatnonzero(weights > 0)
    blocks = [
        Block(logits[part], labels[part].astype(np.int64), weights[part], part)
        for part in np.array_split(counted, pieces)
    ]
    return Rows(blocks, len(counted), float(weights.sum()))


def joined(rows: Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-probabilities, labels and weights of all blocks."""
    logits, labels, weights = (
        np.concatenate([getattr(block, name) for block in rows.blocks]) for name in ("logits", "labels", "weights")
    )
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), labels, weights


def log_loss(scaled: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """Weighted mean log loss of softmax(scaled)."""
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    return float(np.average(losses, weights=weights))
