"""Tables to train on, as blocks and as dense columns, and one call that trains on them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from pipeline.dataset.shard import BLOCK_ROWS
from pipeline.numerics.data.block import Block, Parameters
from pipeline.numerics.solvers import loop
from pipeline.train import solvers
from pipeline.train.outcome import FitOutcome
from pipeline.train.params import TrainParams
from pipeline.training_rows.rows import TrainingRows


@dataclass(frozen=True)
class Problem:
    """numbers (n, p) float32, codes (n, c) local to each category, labels (n,), weights (n,) or None."""

    numbers: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    levels: tuple[int, ...] = ()
    weights: np.ndarray | None = None

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def columns(self) -> int:
        return self.numbers.shape[1] + sum(self.levels)

    @cached_property
    def dense(self) -> np.ndarray:
        """Numbers and one-hot levels, (n, d) float64."""
        parts = [self.numbers.astype(np.float64)]
        parts += [np.eye(levels)[codes] for levels, codes in zip(self.levels, self.codes.T, strict=True)]
        return np.hstack(parts)

    def blocks(self, size: int = BLOCK_ROWS) -> list[Block]:
        starts = np.cumsum([self.numbers.shape[1], *self.levels])[: len(self.levels)].astype(np.int64)
        columns = [torch.tensor(self.numbers), torch.tensor(self.codes + starts), torch.tensor(self.labels)]
        if self.weights is not None:
            columns.append(torch.tensor(self.weights))
        return [Block(*parts) for parts in zip(*(torch.split(column, size) for column in columns), strict=True)]

    def data(self, classes: int | None = None, size: int = BLOCK_ROWS) -> TrainingRows:
        features = [f"x{number}" for number in range(self.numbers.shape[1])]
        features += [f"c{category}={level}" for category, count in enumerate(self.levels) for level in range(count)]
        return TrainingRows(self.blocks(size), self.levels, features, range(classes or self.classes))

    def take(self, rows: np.ndarray) -> "Problem":
        weights = None if self.weights is None else self.weights[rows]
        return replace(
            self, numbers=self.numbers[rows], codes=self.codes[rows], labels=self.labels[rows], weights=weights
        )


@dataclass(frozen=True)
class Solved:
    """Where a training ended."""

    parameters: Parameters
    result: loop.Result
    outcome: FitOutcome
    records: list[loop.Record]

    @property
    def weights(self) -> np.ndarray:
        return self.parameters.weights.numpy()

    @property
    def bias(self) -> np.ndarray:
        """b with mean 0: adding a number to all of b changes no probability."""
        return self.parameters.bias.numpy() - self.parameters.bias.numpy().mean()

    @property
    def objective(self) -> float:
        return self.outcome.final.cost + self.outcome.final.penalty


def solve(problem: Problem, *, classes: int | None = None, size: int = BLOCK_ROWS, **settings: object) -> Solved:
    """Train with newton, unless ``settings`` of train say otherwise."""
    chosen = {"solver": "newton", "seed": 0, "epochs": 1000, "snapshot_every": 1, "tolerance": 1e-13} | settings
    params, data = TrainParams(**chosen), problem.data(classes, size)
    method = solvers.L1Solver(params, data) if params.l1 else solvers.CertifiedSolver(params, data)
    records: list[loop.Record] = []
    result = loop.run(method, int(chosen["epochs"]), lambda record, _: records.append(record))
    return Solved(result.parameters, result, method.outcome(result.parameters, result.epochs), records)


def standardised(x: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and deviation 1, float32; constant ones stay 0."""
    deviation = x.std(0)
    return ((x - x.mean(0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)


def numbers_only(x: np.ndarray, labels: np.ndarray) -> Problem:
    return Problem(x.astype(np.float32), np.zeros((len(x), 0), np.int64), labels.astype(np.int64))


def synthetic(
    rows: int, numbers: int = 4, levels: tuple[int, ...] = (3, 30), classes: int = 4, seed: int = 0
) -> Problem:
    """Numbers and categories, correlated as in flights, with labels drawn from a softmax regression."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, numbers)) @ (np.eye(numbers) + 0.9 * random.random((numbers, numbers)))
    codes = np.stack([random.integers(count, size=rows) for count in levels], 1) if levels else np.zeros((rows, 0), int)
    x[:, 0] += codes[:, 0] if levels else 0
    problem = Problem(standardised(x), codes.astype(np.int64), np.zeros(rows, np.int64), levels)
    weights = random.normal(size=(problem.columns, classes))
    labels = (problem.dense @ weights + random.gumbel(size=(rows, classes))).argmax(1)
    labels[:classes] = np.arange(classes)
    return replace(problem, labels=labels)
