"""Tests of what a fit assumes: goodness of fit by groups of rows, and independence of irrelevant alternatives.

Shapes are those of rows.py; theta is of z. Only statistics and degrees of freedom: their tails are distributions.py's.

Goodness of fit (Fagerland, Hosmer and Bofin 2008, Multinomial goodness-of-fit tests for logistic regression models,
Statistics in Medicine 27; with two classes that of Hosmer and Lemeshow): rows in the order of 1 - p of the reference
class are cut into g groups of equal weight, and over groups and classes

    C = sum (O - E)^2 / E,    O_gj = sum_i v_i y_ij,    E_gj = sum_i v_i p_ij,    (g - 2) (k - 1) degrees of freedom.

Independence (Hausman and McFadden 1984, Specification tests for the multinomial logit model, Econometrica 52): the fit
without a class, on the rows of the others, has the parameters of the full fit if the class changes no odds between the
others. With d their difference and D that of their covariances, C = d'D^-d, of as many degrees of freedom as D's rank.
With the covariance that the restricted fit has of its own rows D is rarely positive semidefinite: on 5 of 60 tables of
1,000 rows that were drawn from a true model of 4 classes, and C's mean over 200 was 0.1 in place of 6; Cheng and Long
2007, Sociological Methods & Research 35, advise against the test. ``information_of_others`` is what those rows'
information is expected to be: with its inverse D is semidefinite by construction, C's mean was 6.2, its variance 12.6.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.data.block import Block, row_weights
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import Grid, collected, scattered_sums

GROUPS = 10
NO_DIFFERENCE = 1e-9  # of the restricted fit's variances: what Newton's 1e-9 from the maximum leaves of equal ones
_ONE_BY_ONE = 0.6403882032022076  # (1 + sqrt(17)) / 8: Bunch and Parlett's bound on the growth of what is left


@dataclass(frozen=True)
class GroupedFit:
    """``observed`` and ``expected`` (g, k), groups by ascending 1 - p; ``last`` (g,) is p of each group's last row.

    ``statistic`` is infinite where a class has rows in a group that the model rules out.
    """

    observed: Tensor
    expected: Tensor
    last: Tensor

    @property
    def statistic(self) -> float:
        """C."""
        distances = self.observed - self.expected
        nothing = (self.observed == 0) & (self.expected == 0)
        return float(portable.total(torch.where(nothing, 0.0, distances * distances / self.expected)))

    @property
    def degrees_of_freedom(self) -> int:
        """(g - 2) (k - 1) of the groups that have rows; at 0 or below there is no test."""
        groups, classes = self.observed.shape
        return (groups - 2) * (classes - 1)


def goodness_of_fit(rows: InferenceRows, theta: Tensor, reference: int, groups: int = GROUPS) -> GroupedFit:
    """Rows sorted by 1 - p of class ``reference`` and cut into ``groups``.

    A group ends with the first value up to which at least its share of the weight lies, and with all rows of that
    value: equal rows share a group, as xtile of Stata has it, so the order of the table decides nothing. Groups then
    have unequal weights, and may be fewer; values are compared as p, since 1 - p no longer tells apart what is near 0.
    A weight of 3 is three rows. Each row's numbers are rounded to a grid of integers, whose sums are exact, so no bit
    depends on the order of the rows, either. Two passes; 16 bytes a row between them, four times as many while they
    are sorted.
    """
    cuts = _cuts(rows, theta, reference, groups)
    count, classes = len(cuts), rows.classes
    grid = Grid(torch.tensor(rows.total_weight, dtype=torch.float64))

    def scatter(block: Block, totals: Sequence[Tensor]) -> None:
        observed, expected = totals
        for tile in rows.tiles(block, classes):
            p = rows.probabilities(tile, theta)
            # Beyond the last cut are rows whose weight is too small to count.
            group = torch.searchsorted(cuts, -p[:, reference]).clamp_(max=count - 1)
            expected.index_add_(0, group, grid.quantise(p * tile.weights[:, None]))
            observed.index_add_(0, group * classes + tile.labels, grid.quantise(tile.weights))

    shapes = [(count * classes,), (count, classes)]
    observed, expected = scattered_sums(scatter, rows.blocks, shapes, [grid, grid], rows.threads)
    return GroupedFit(observed.view(count, classes), expected, -cuts)


def _cuts(rows: InferenceRows, theta: Tensor, reference: int, groups: int) -> Tensor:
    """The last value of -p of each group that has rows, ascending."""
    grid = Grid(torch.tensor(rows.total_weight, dtype=torch.float64))

    def values(block: Block) -> list[Tensor]:
        of_class = [rows.probabilities(tile, theta)[:, reference] for tile in rows.tiles(block, rows.classes)]
        return [-torch.cat(of_class), grid.quantise(row_weights(block.weights, len(block.labels)))]

    parts = collected(values, rows.blocks, rows.threads)
    ordered, places = torch.sort(torch.cat([value for value, _ in parts]))
    until = torch.cat([weight for _, weight in parts])[places].cumsum(0)  # of integers: exact
    total = int(until[-1])
    shares = torch.tensor([-(-total * group // groups) for group in range(1, groups + 1)])
    last = ordered[torch.searchsorted(until, shares)]  # a value more than once where it takes up groups
    return last[torch.cat([torch.ones(1, dtype=torch.bool), last[1:] > last[:-1]])]


@dataclass(frozen=True)
class Independence:
    """C, which is chi-square of ``degrees_of_freedom`` where the test's assumptions hold.

    In ``negative`` directions the restricted fit has the smaller variance, which is chance where the model holds: C may
    be below 0 then, and Stata says that the fit "fails to meet the asymptotic assumptions" of the test.
    """

    statistic: float
    degrees_of_freedom: int
    negative: int

    @property
    def meets_assumptions(self) -> bool:
        """Whether D is positive semidefinite."""
        return self.negative == 0


def common_entries(full: Design, restricted: Design, labels: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where the entries that both vectors have stand in the full one and in the restricted one, in the same order.

    ``labels`` names the full fit's class of each class of the restricted one, ascending. Both fits have the same
    reference class, and the same columns in the same order.
    """
    columns = full.columns[torch.isin(full.columns, restricted.columns)].tolist()
    back = {label: place for place, label in enumerate(labels)}
    shared = [label for label in full.labels.tolist() if back.get(label) in restricted.labels.tolist()]
    return full.places(columns, shared), restricted.places(columns, [back[label] for label in shared])


def information_of_others(rows: InferenceRows, theta: Tensor, left_out: int, restricted: Design) -> Tensor:
    """sum_i v_i (1 - p_im) Cov_i x_i x_i', (q, q), Cov_i of the classes but m = ``left_out``, given that it is not m.

    That part of the full fit's information which the rows of other classes are expected to have, at its theta; the
    other part, of whether a row is of m, only adds to it, so the common entries' covariance in the full fit is the
    smaller one. ``restricted`` is of k - 1 classes, theta and the result's units are the full fit's. One pass.
    """
    others = torch.tensor([label for label in range(rows.classes) if label != left_out])
    pairs = pair_sums.count(len(others), 1)

    def partials(block: Block) -> list[Tensor]:
        totals: list[Tensor] = []
        for tile in rows.tiles(block, column_sums.numbers_a_row(rows, pairs)):
            logits = rows.logits(tile, theta)
            given = portable.softmax_(logits[:, others], 1)
            share = portable.total(portable.softmax_(logits, 1)[:, others], 1)
            parts = column_sums.of_pairs(rows, tile, pair_sums.of_classes(given.T.contiguous(), share * tile.weights))
            totals = [total + part for total, part in zip(totals, parts, strict=True)] if totals else parts
        return totals

    weights = torch.full((pairs,), rows.total_weight, dtype=torch.float64)
    return restricted.matrix(rows, rows.add(partials, column_sums.pair_bounds(rows, weights)))


def independence(
    restricted: Tensor, restricted_covariance: Tensor, full: Tensor, full_covariance: Tensor
) -> Independence:
    """d'D^-d of the common entries (q,), in the same units, and their covariances (q, q) of the model.

    The fits' columns are about means of their own rows, so both go to the units of x before (covariance.in_units); so
    does the inverse of ``information_of_others``, from the full fit's means.

    D in units of the restricted fit's standard errors is cut down by symmetric elimination with complete pivoting,
    one row or, where its diagonal is small, two at a time (Bunch and Parlett 1971, SIAM J. Numerical Analysis 8), until
    no entry of what is left is above 1e-9: a difference that is no more than that share of the variances is none. The
    rows eliminated are the rank. Pivots have the signs of D's eigenvalues (Sylvester's law of inertia). D^- is the
    inverse of the eliminated part, 0 elsewhere, as syminv of Stata: the value of any generalised inverse where d has
    no part in the directions left.
    """
    scale = square_root(restricted_covariance.diagonal().clone())
    left = (restricted_covariance - full_covariance) / scale[:, None] / scale
    d = (restricted - full) / scale
    statistic, rank, negative = 0.0, 0, 0
    while len(d):
        pivot = _pivot(left)
        if not pivot:
            break
        others = torch.ones(len(d), dtype=torch.bool)
        others[pivot] = False
        inverse, below = _inverse(left[pivot][:, pivot])
        solved = portable.matmul(inverse, d[pivot])
        statistic += portable.dot(d[pivot], solved)
        negative += below
        rank += len(pivot)
        beside = left[others][:, pivot]
        d = d[others] - portable.matmul(beside, solved)
        left = left[others][:, others] - portable.matmul(portable.matmul(beside, inverse), beside.T.contiguous())
        left = (left + left.T) / 2
    return Independence(statistic, rank, negative)


def _pivot(left: Tensor) -> list[int]:
    """The rows to eliminate next, none where all that is left is rounding."""
    sizes = left.abs()
    largest = float(sizes.max())
    if largest <= NO_DIFFERENCE:
        return []
    own = sizes.diagonal()
    if float(own.max()) >= _ONE_BY_ONE * largest:
        return [int(own.argmax())]
    return sorted(divmod(int(sizes.argmax()), len(left)))


def _inverse(pivot: Tensor) -> tuple[Tensor, int]:
    """Of a matrix of one row or two, and how many eigenvalues are below 0; one of two rows has one of each sign."""
    if len(pivot) == 1:
        return torch.ones_like(pivot) / pivot, int(pivot[0, 0] < 0)
    a, b, c = pivot[0, 0], pivot[0, 1], pivot[1, 1]
    adjugate = torch.stack([torch.stack([c, -b]), torch.stack([-b, a])])
    return adjugate / (a * c - b * b), 1
