"""Tables for tests of inference, their columns z in numpy, and Newton's method on them in plain float64."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import Maximum, maximise
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import Block
from tests.problems import Problem, synthetic

EVERYTHING = Asked(information=True, scores=True, columns=True, thirds=True)


def weighted(problem: Problem, weights: np.ndarray | None = None) -> Problem:
    """The table with whole weights from 1 to 3."""
    drawn = np.random.default_rng(1).integers(1, 4, len(problem.labels)).astype(np.float64)
    return replace(problem, weights=drawn if weights is None else weights)


def far(problem: Problem) -> Problem:
    """Numbers in units and places of their own."""
    scales, means = np.linspace(1, 9, problem.numbers.shape[1]), np.linspace(-40, 30, problem.numbers.shape[1])
    return replace(problem, numbers=(problem.numbers * scales + means).astype(np.float32))


def repeated(problem: Problem) -> Problem:
    """Each row as often as its weight says."""
    assert problem.weights is not None
    return replace(problem.take(np.repeat(np.arange(len(problem.labels)), problem.weights.astype(int))), weights=None)


TABLES = {
    "numbers": far(synthetic(300, 3, (), 3)),
    "two classes": far(synthetic(300, 2, (3,), 2)),
    "categories": far(synthetic(400, 2, (3, 4, 2), 3)),
    "weights": weighted(far(synthetic(400, 2, (3, 4), 4))),
    "categories alone": replace(synthetic(300, 1, (3, 4), 3), numbers=np.zeros((300, 0), np.float32)),
}


def rows_of(problem: Problem, threads: int = 1, size: int = 128, intercept: bool = True) -> InferenceRows:
    """The table in blocks of so many rows."""
    return InferenceRows(problem.blocks(size), problem.levels, problem.classes, threads, intercept)


def reference(rows: InferenceRows, label: int = 0) -> Design:
    """All columns but each category's first level, all classes but one."""
    bases = [rows.numbers + first for first in rows.first_level_rows]
    columns = [column for column in range(rows.columns) if column not in bases]
    columns += [rows.columns] * rows.intercept
    labels = [other for other in range(rows.classes) if other != label]
    return Design(torch.tensor(columns), torch.tensor(labels), (rows.columns + 1, rows.classes))


def maximum_of(rows: InferenceRows, design: Design, asked: Asked = EVERYTHING) -> Maximum:
    """From 0."""
    return maximise(rows, design, rows.zero(), asked)


def some_theta(rows: InferenceRows, seed: int = 0) -> torch.Tensor:
    """A theta of z of no meaning."""
    return 0.3 * torch.randn(rows.columns + 1, rows.classes, dtype=torch.float64, generator=_generator(seed))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Dense:
    """z (n, d + 1) with b's column last, labels (n,), one-hot labels y (n, k), weights v (n,)."""

    z: np.ndarray
    labels: np.ndarray
    y: np.ndarray
    v: np.ndarray

    @classmethod
    def of(cls, problem: Problem, rows: InferenceRows) -> "Dense":
        count = len(problem.labels)
        z = np.hstack([problem.dense, np.ones((count, 1))])
        z[:, : rows.numbers] -= rows.means.numpy()
        weights = np.ones(count) if problem.weights is None else problem.weights
        return cls(z, problem.labels, np.eye(problem.classes)[problem.labels], weights)

    def probabilities(self, theta: np.ndarray) -> np.ndarray:
        """Of theta (d + 1, k), (n, k)."""
        return softmax(self.z @ theta)

    def gradient(self, design: Design, theta: np.ndarray) -> np.ndarray:
        """Of minus the log-likelihood, (q,)."""
        of_theta = self.z.T @ (self.v[:, None] * (self.probabilities(theta) - self.y))
        return design.vector(torch.tensor(of_theta)).numpy()

    def information(self, design: Design, theta: np.ndarray) -> np.ndarray:
        """(q, q)."""
        x, p = self.z[:, design.columns.numpy()], self.probabilities(theta)[:, design.labels.numpy()]
        curvature = self.v[:, None, None] * (p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :])
        return np.einsum("ijl,ia,ib->jalb", curvature, x, x, optimize=True).reshape(design.size, design.size)

    def scores(self, design: Design, theta: np.ndarray) -> np.ndarray:
        """Each row's, with its weight, (n, q)."""
        r = (self.v[:, None] * (self.probabilities(theta) - self.y))[:, design.labels.numpy()]
        return (r[:, :, None] * self.z[:, None, design.columns.numpy()]).reshape(len(r), design.size)

    def newton(self, design: Design, start: np.ndarray, ridge: np.ndarray | float = 0.0) -> np.ndarray:
        """The maximum's theta (d + 1, k), by whole steps until they are rounding."""
        vector = design.vector(torch.tensor(start)).numpy()
        for _ in range(50):
            theta = design.theta(torch.tensor(vector)).numpy()
            curvature = self.information(design, theta) + np.diag(np.broadcast_to(ridge, design.size))
            step = np.linalg.solve(curvature, self.gradient(design, theta) + ridge * vector)
            vector = vector - step
            if np.abs(step).max() < 1e-13:
                break
        return design.theta(torch.tensor(vector)).numpy()


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last dimension."""
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def to_x(rows: InferenceRows) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales and offsets of the columns as they are, x = z + m."""
    offsets = torch.zeros(rows.columns + 1, dtype=torch.float64)
    offsets[: rows.numbers] = rows.means
    return torch.ones_like(offsets), offsets


def backwards(blocks: Sequence[Block]) -> list[Block]:
    """The last block first."""
    return list(reversed(blocks))


def equal(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    """Whether all bits are the same."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
