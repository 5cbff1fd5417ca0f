"""Confidence intervals of the probabilities of rows, from a fit of theta and the covariance of its free entries.

n rows, k classes, d columns of W. theta is (d + 1, k), W transposed and b as its last row; e of its rows are free, in m
of its classes (k, or all but the reference), and V (q, q), q = m e, is their covariance, class by class.

With eta = x W' + b, 1 - p_j is the share of the other classes, so that logit p_j = ln p_j - ln(1 - p_j) is
eta_j - ln sum_{l != j} e^eta_l. Its derivative by theta_l is a_jl x:

    a_jj = 1,   a_jl = -e^eta_l / sum_{i != j} e^eta_i = -p_l / (1 - p_j) for l != j

Both are (delta_jl - p_l) / (1 - p_j), which has no digit left where p_j is near 1; the first quotient has all of them.
By the delta method the variance of logit p_j is a_j' G a_j, G_lm = x' V_lm x being the covariance of eta_l and eta_m.
The bounds of the logit, made probabilities again, lie within 0 and 1; those of p_j +- q s need not. Each probability
has an interval of its own: all k of a row at once are held with less confidence.
Source: Agresti 2013, Categorical Data Analysis, 16.1 (delta method); Hosmer, Lemeshow and Sturdivant 2013, Applied
Logistic Regression, 1.4 (bounds of the logit).

Every row is computed by itself, by the operations of ``pipeline.arithmetic``: its bits depend neither on the rows
around it, nor on threads and processor.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import exp, log, sigmoid
from pipeline.arithmetic.products import add_product, add_products
from pipeline.arithmetic.sums import halving_sum
from pipeline.dataset.columns import Chunk
from pipeline.dataset.encoder import Encoded, Encoder, Numbers
from pipeline.model import Model
from pipeline.scoring.logits import compute_logits, logits_at
from pipeline.scoring.probabilities import softmax

_NUMBERS_AT_ONCE = 1 << 20  # of the largest array of a tile of rows


@dataclass(frozen=True)
class Intervals:
    """The fit's probabilities and their bounds, (n, k) each, low <= fitted <= high; NaN where the fit knows nothing."""

    fitted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Coding:
    """Which entries of theta are free: rows ``columns`` (e,) and classes ``labels`` (m,); and what others mean.

    ``base_levels`` by category are those that others are compared with, and ``left_out`` the features that follow from
    others in the training rows: both have theta 0. Any other level without a free entry had no training row.
    """

    columns: NDArray[np.int64]
    labels: NDArray[np.int64]
    base_levels: Mapping[str, str]
    left_out: Collection[str]


class Fit:
    """A fit, and which values of a table it knows."""

    def __init__(
        self, model: Model, theta: NDArray[np.float64], covariance: NDArray[np.float64], coding: Coding, reach: float
    ) -> None:
        """``model`` tells how theta (d + 1, k) applies to rows; bounds are ``reach`` standard errors away."""
        encoder = model.encoder
        self._model = replace(model, weights=np.ascontiguousarray(theta[:-1].T), bias=theta[-1].copy())
        self._labels, self._reach = coding.labels, reach
        self._columns, self._covariance = coding.columns, covariance
        self._known = _Known(encoder, coding)
        columns = coding.columns
        is_level = (columns >= encoder.number_count) & (columns < len(encoder.features))
        dense, levels = np.flatnonzero(~is_level), np.flatnonzero(is_level)
        self._numbers = columns[dense[columns[dense] < encoder.number_count]]
        self._dense_count, level_count = len(dense), len(levels)
        # The place of each category's levels among the free ones; the last, whose covariances are 0, is of the others.
        place = np.full(len(encoder.features), level_count)
        place[columns[levels]] = np.arange(level_count)
        self._places = np.split(place[encoder.number_count :], np.cumsum(encoder.level_counts, dtype=np.int64))[:-1]
        # x' V_lm x is that of the symmetric part of V_lm, for l <= m alone.
        m, e = len(coding.labels), len(columns)
        first, second = np.triu_indices(m)
        self._pair_of = np.zeros((m, m), dtype=np.int64)
        self._pair_of[first, second] = self._pair_of[second, first] = np.arange(len(first))
        blocks = covariance.reshape(m, e, m, e)[first, :, second, :]
        blocks = (blocks + blocks.transpose(0, 2, 1)) / 2
        of_dense = blocks[:, :, dense]
        pair_columns = len(first) * self._dense_count
        self._of_dense = of_dense[:, dense].transpose(1, 0, 2).reshape(self._dense_count, pair_columns)
        self._of_levels = np.zeros((level_count + 1, len(first), self._dense_count))
        self._of_levels[:-1] = of_dense[:, levels].transpose(1, 0, 2)
        self._between_levels = np.zeros((level_count + 1, level_count + 1, len(first)))
        self._between_levels[:-1, :-1] = blocks[:, levels[:, np.newaxis], levels].transpose(1, 2, 0)

    def intervals(self, chunk: Chunk, encoded: Encoded) -> Intervals:
        """Of the rows of ``chunk``, which ``encoded`` are, too; NaN in rows with a value that training never saw."""
        logits = compute_logits(self._model, encoded.numbers, encoded.codes)
        n, k = logits.shape
        fitted = softmax(logits)
        low, high = np.empty_like(fitted), np.empty_like(fitted)
        size = max(1, _NUMBERS_AT_ONCE // max(k * k, self._of_levels[0].size))
        for start in range(0, n, size):
            rows = slice(start, start + size)
            covariances = self._logit_covariances(encoded.numbers[rows], encoded.codes[rows])
            low[rows], high[rows] = self._bounds(logits[rows], covariances)
        # Rounding may part logistic function and softmax by a last digit.
        np.minimum(low, fitted, out=low)
        np.maximum(high, fitted, out=high)
        unknown = ~self._known.rows(chunk, encoded.codes)
        for values in (fitted, low, high):
            values[unknown] = np.nan
        return Intervals(fitted, low, high)

    def at(self, x: NDArray[np.float64]) -> Intervals:
        """Of one row x (d,) with any number in each column of W, of a level its share of the rows, say; (1, k) each."""
        logits = logits_at(self._model, x)
        m, e = len(self._labels), len(self._columns)
        free = np.append(x, 1.0)[self._columns][:, np.newaxis]
        half = np.zeros((m * e * m, 1))  # V_lm x for each l, m, and V is symmetric
        add_product(half, self._covariance.reshape(m * e * m, e), free)
        covariances = np.zeros((m * m, 1))
        add_product(covariances, np.ascontiguousarray(half.reshape(m, e, m).transpose(0, 2, 1)).reshape(-1, e), free)
        low, high = self._bounds(logits, covariances.reshape(1, m, m))
        fitted = softmax(logits)
        return Intervals(fitted, np.minimum(low, fitted), np.maximum(high, fitted))

    def _bounds(
        self, logits: NDArray[np.float64], covariances: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Those of p (n, k), of all logits (n, k) and the covariances G (n, m, m) of the free ones."""
        of_others, slopes = _log_odds(logits)
        own = np.ascontiguousarray(slopes[:, :, self._labels])
        half = np.zeros_like(own)
        add_products(half, own, covariances)
        # Of a combination without spread rounding leaves a number near 0 of either sign.
        reach = self._reach * np.sqrt(np.maximum(_summed(half * own), 0.0))
        return sigmoid(of_others - reach), sigmoid(of_others + reach)

    def _logit_covariances(self, numbers: Numbers, codes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
        """G (n, m, m) of the free classes: numbers and b with each other, levels with these, levels with each other."""
        x = np.ones((len(numbers), self._dense_count))
        x[:, : len(self._numbers)] = numbers[:, self._numbers]
        total = np.zeros((len(numbers), self._of_levels.shape[1]))
        if self._dense_count:
            products = np.zeros((len(numbers), self._of_dense.shape[1]))
            add_product(products, x, self._of_dense)
            total += _summed(products.reshape(len(x), -1, self._dense_count) * x[:, np.newaxis])
        before: list[NDArray[np.int64]] = []
        for place, code in zip(self._places, codes.T, strict=True):
            level = place[code]
            if self._dense_count:
                total += 2 * _summed(self._of_levels[level] * x[:, np.newaxis])
            total += self._between_levels[level, level]
            for other in before:
                total += 2 * self._between_levels[other, level]
            before.append(level)
        return np.ascontiguousarray(total[:, self._pair_of])


class _Known:
    """Which values of a table a fit has a coefficient for, or a base level's 0; a column that it lacks may hold any."""

    def __init__(self, encoder: Encoder, coding: Coding) -> None:
        free = {encoder.features[row] for row in coding.columns if row < len(encoder.features)}
        used = free | set(coding.left_out)
        gaps_seen = {number.column for number in encoder.indicators}
        self._without_gaps = [
            number.name for number in encoder.numbers if number.name in used and number.column not in gaps_seen
        ]
        self._levels = []
        for category in encoder.categories:
            base = coding.base_levels.get(category.name)
            known = [level == base or f"{category.name}={level}" in used for level in category.levels]
            self._levels.append(np.array(known) if any(known) else np.ones(len(known), dtype=bool))

    def rows(self, chunk: Chunk, codes: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """(n,): whether every value of the row is known."""
        result = np.ones(len(codes), dtype=bool)
        for name in self._without_gaps:
            result &= ~np.isnan(chunk.numbers[name])
        for known, code in zip(self._levels, codes.T, strict=True):
            result &= known[code]
        return result


def _log_odds(logits: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """logit p_j (n, k) of logits (n, k), and its derivatives a_jl by each of them, (n, k, k)."""
    is_own = np.eye(logits.shape[1], dtype=bool)
    others = np.where(is_own, -np.inf, logits[:, np.newaxis])
    highest = others.max(axis=2)
    exponentials = exp(others - highest[:, :, np.newaxis])
    totals = _summed(exponentials)
    return logits - highest - log(totals), is_own - exponentials / totals[:, :, np.newaxis]


def _summed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the last of three axes."""
    return halving_sum(x.reshape(-1, x.shape[2]), axis=1).reshape(x.shape[:2])
