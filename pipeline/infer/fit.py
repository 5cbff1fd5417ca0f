"""The fit that a table of coefficients is of: rows, free entries, maximum, covariance; or a refusal."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline import data_loader, screen
from pipeline.infer import clusters, coding, requirements
from pipeline.infer.estimator import Estimator, l2_of
from pipeline.infer.numerics import covariance, firth, likelihood, maximum
from pipeline.infer.numerics import design as designs
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import Maximum, Penalty
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.specification import Specification
from pipeline.infer.terms import Term
from pipeline.model import Model
from pipeline.numerics.data import reduction
from pipeline.numerics.data.block import row_counts
from pipeline.numerics.data.theta import centred
from pipeline.numerics.exact import portable
from pipeline.parallel.threads import thread_count
from pipeline.training_rows import diagnostics
from pipeline.training_rows.rows import TrainingRows


@dataclass(frozen=True)
class CovarianceKind:
    """Which covariance it is: HC0, say, and the factor that small samples multiply it with.

    ``is_of_model``: it takes the model to be true, so that likelihood ratios are chi-square.
    """

    name: str
    factor: float
    clusters: int | None = None
    is_of_model: bool = False


@dataclass(frozen=True)
class Problem:
    """What is to be fitted: rows, columns of the table, free entries of theta.

    ``gram`` (d + 1, d + 1) is of the columns of z; ``bases`` are the rows of base levels, by category; ``left_out``
    names rows of theta that follow from others; ``clusters`` each block's, and how many there are.
    """

    rows: InferenceRows
    terms: list[Term]
    design: Design
    gram: Tensor
    bases: dict[int, int]
    left_out: list[int]
    reference: int
    estimator: Estimator
    clusters: tuple[list[Tensor], int] | None

    @property
    def penalised(self) -> bool:
        """Whether coefficients are shrunk by l2, so that they have no p-values."""
        return self.estimator == "l2"


@dataclass(frozen=True)
class Inference(Problem):
    """A fit, and all that its tables are made of; theta and the covariance of its free entries are of z (rows.py).

    ``model_distance``: standard errors that any contrast of the trained model is from this maximum's at most, None
    where the two are not of the same unknowns. ``distance_bound`` is that of maximum.py, None for Firth's fit.
    """

    maximum: Maximum
    covariance: Tensor
    kind: CovarianceKind
    model_distance: float | None
    distance_bound: float | None


def infer(specification: Specification) -> Inference:
    """Fit, and find the covariance.

    Raises: UserError for a param that does not fit the data; RefusalError where the data has no such table.
    """
    problem, model, params = _problem(specification), specification.model, specification.params
    rows, design = problem.rows, problem.design
    start = _start(problem, model)
    penalty = _penalty(model, problem) if problem.penalised else None
    asked = Asked(scores=params.covariance == "robust", thirds=params.effects, weights=params.weights)
    with screen.bar("going to the maximum"):
        try:
            if problem.estimator == "firth":
                # From 0, as other packages: its likelihood may have several maxima, and the model must not choose.
                reached: Maximum = firth.maximise(rows, design, rows.zero(), asked)
            else:
                begin = _better_start(problem, start, torch.from_numpy(specification.class_totals))
                reached = maximum.maximise(rows, design, begin, asked, penalty)
        except maximum.SingularError:
            raise RefusalError(_SINGULAR) from None
    if not reached.converged:
        sentence = _NO_FIRTH if problem.estimator == "firth" else _NO_MAXIMUM
        raise RefusalError(
            f"{sentence} (after {reached.passes} passes it is {reached.decrement:.1e} standard errors away)"
        )
    kind, matrix = _covariance(problem, reached, params)
    away = design.vector(start) - design.vector(reached.theta)
    distance = portable.dot(away, portable.matmul(reached.information, away))
    return Inference(
        **vars(problem),
        maximum=reached,
        covariance=matrix,
        kind=kind,
        model_distance=None if problem.left_out and not problem.penalised else max(0.0, distance) ** 0.5,
        distance_bound=reached.distance_bound,
    )


def _problem(specification: Specification) -> Problem:
    dataset, params, terms = specification.dataset, specification.params, specification.terms
    encoder, estimator, intercept = specification.encoder, specification.estimator, specification.intercept
    with screen.bar("reading rows"):
        blocks = data_loader.blocks_of(dataset, dataset.splits["train"], None)
        data_loader.require_weight(blocks)
        counted = reduction.counted(blocks)
    clustered = None
    if params.cluster is not None:
        clustered = clusters.clusters_of(dataset, params.cluster, row_counts(counted))
    rows = InferenceRows(counted, encoder.level_counts, len(encoder.classes), thread_count(), intercept)
    sums = likelihood.pass_over(rows, rows.zero(), Asked(columns=True))
    assert sums.columns is not None
    gram = designs.gram(rows, sums.columns)
    bases: dict[int, int] = {}
    left_out: list[int] = []
    if estimator == "l2":
        design = coding.full_design(rows, gram, terms)
    else:
        design, bases, left_out = coding.reference_design(rows, gram, terms, encoder, params, specification.reference)
    if estimator == "maximum likelihood" and sum(len(term.rows) for term in terms) == len(encoder.features):
        data = TrainingRows(counted, encoder.level_counts, encoder.features, encoder.classes)
        if sentences := diagnostics.separating_combinations(data, intercept):
            raise requirements.told_apart(sentences[0])
    return Problem(rows, terms, design, gram, bases, left_out, specification.reference, estimator, clustered)


def _start(problem: Problem, model: Model) -> Tensor:
    """The trained theta of z in the coding of the fit."""
    theta = torch.cat([torch.from_numpy(model.weights.T), torch.from_numpy(model.bias)[None]])
    trained = problem.rows.centred(theta)
    if problem.penalised:
        return centred(trained)
    return coding.in_reference_coding(trained, problem.rows, problem.bases, problem.reference)


_SINGULAR = (
    "the information of the rows has no inverse: classes are told apart without error, or columns follow from others; "
    "set infer.firth to true, or take fewer columns by infer.columns"
)
_NO_FIRTH = "steps do not come to the maximum of Firth's fit: weights or columns are of very different sizes"
_NO_MAXIMUM = "the likelihood has no maximum that steps come to: classes are told apart nearly without error"


def _better_start(problem: Problem, start: Tensor, counts: Tensor) -> Tensor:
    """The trained model, or the class shares alone where these say more."""
    rows, design = problem.rows, problem.design
    at_start = likelihood.pass_over(rows, design.theta(design.vector(start)))
    if at_start.log_likelihood >= null_log_likelihood(counts, rows.intercept):
        return start
    result = rows.zero()
    if rows.intercept:
        shares = portable.log(counts)
        result[-1] = shares - shares[problem.reference]
    return result


def null_log_likelihood(counts: Tensor, intercept: bool) -> float:
    """Of the model of b alone, or, without an intercept, of nothing."""
    total = float(portable.total(counts))
    if not intercept:
        return -total * portable.log_of(len(counts))
    return portable.dot(counts, portable.log(counts)) - total * portable.log_of(total)


def _penalty(model: Model, problem: Problem) -> Penalty:
    rows, design = problem.rows, problem.design
    ridge = torch.full(design.shape, l2_of(model) * rows.total_weight, dtype=torch.float64)
    ridge[-1] = 0.0
    gauge = rows.zero()
    gauge[-1] = float(rows.intercept)
    return Penalty(design.vector(ridge), design.vector(gauge))


def _covariance(problem: Problem, reached: Maximum, params: InferParams) -> tuple[CovarianceKind, Tensor]:
    """A^-1 M A^-1 with the factor of infer.correction, and what it is called."""
    rows, design = problem.rows, problem.design
    n = rows.total_weight if params.weights == "frequency" else float(rows.count)
    degrees = n - design.size
    if params.correction != "none" and params.covariance != "model" and min(degrees, n - 1) <= 0:
        raise RefusalError(
            f"infer.correction {params.correction} has no factor for {design.size:,} coefficients of {n:,.10g} rows; "
            "set it to none"
        )
    match params.covariance:
        case "model":
            if not problem.penalised:
                return CovarianceKind("inverse of the information", 1.0, is_of_model=True), reached.factor.inverse()
            spread = covariance.sandwich(reached.factor, reached.information)
            return CovarianceKind("sandwich of information and penalty", 1.0), spread
        case "robust":
            assert reached.sums.scores is not None
            middle = design.matrix(rows, reached.sums.scores)
            factor = {"none": 1.0, "statsmodels": n / degrees, "stata": n / (n - 1)}[params.correction]
            names = {"none": "HC0", "statsmodels": "HC1, n / (n - q)", "stata": "n / (n - 1)"}
            kind = CovarianceKind(f"robust, {names[params.correction]}", factor)
        case "cluster":
            assert problem.clusters is not None
            ids, count = problem.clusters
            middle = covariance.cluster_scores(rows, reached.theta, design, ids, count)
            of_clusters = count / (count - 1)
            factor = {
                "none": 1.0,
                "statsmodels": of_clusters * ((n - 1) / degrees),
                "stata": of_clusters,
            }[params.correction]
            names = {"none": "no correction", "statsmodels": "G / (G - 1) * (n - 1) / (n - q)", "stata": "G / (G - 1)"}
            kind = CovarianceKind(f"by cluster of {params.cluster}, {names[params.correction]}", factor, count)
    return kind, factor * covariance.sandwich(reached.factor, middle)
