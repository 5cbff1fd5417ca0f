"""Tests of the columns and of the whole model: Wald, likelihood ratio, and what is said of the fit as a whole."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pipeline import distributions, screen
from pipeline.infer import contrasts
from pipeline.infer.fit import Inference, null_log_likelihood
from pipeline.infer.numerics import inflation, maximum
from pipeline.infer.numerics.likelihood import Asked, pass_over
from pipeline.infer.terms import Term
from pipeline.numerics.exact import portable


@dataclass
class PassBudget:
    """Passes over the rows that refits of tests may still take."""

    left: int


def whole_model(inference: Inference, class_weights: Tensor) -> dict[str, Any]:
    """Log-likelihood, its ratio to that of b alone, McFadden's R squared, AIC, BIC; ``class_weights`` (k,).

    A penalised fit has effective degrees of freedom, tr(H A^-1) of information H and penalised information A (Hastie,
    Tibshirani and Friedman 2009, 7.6), which stand for the number of coefficients in AIC and BIC.
    """
    value = inference.maximum.sums.log_likelihood
    null = null_log_likelihood(class_weights, inference.rows.intercept)
    classes, size = inference.rows.classes, float(inference.design.size)
    if inference.penalised:
        size = float(portable.total(inference.maximum.factor.solve(inference.maximum.information).diagonal()))
    n = inference.rows.total_weight
    degrees = inference.design.size - (classes - 1) * inference.rows.intercept
    ratio = 2 * (value - null)
    tested = degrees > 0 and inference.estimator == "maximum likelihood"
    return {
        "log_likelihood": value,
        "null_log_likelihood": null,
        "deviance": -2 * value,
        "likelihood_ratio": ratio if tested else None,
        "degrees_of_freedom": degrees,
        "effective_coefficients": size,
        "p": distributions.chi_square_tail(ratio, degrees) if tested else None,
        "mcfadden": 1 - value / null if null else None,
        "mcfadden_adjusted": 1 - (value - size) / null if null else None,
        "aic": 2 * size - 2 * value,
        "bic": size * portable.log_of(n) - 2 * value,
    }


def of_columns(inference: Inference, budget: PassBudget) -> list[dict[str, Any]]:
    """Each column of the table over all classes at once: Wald, and the likelihood ratio as far as passes last.

    The restricted fit starts where the quadratic at the maximum has its own maximum under the restriction. A sandwich
    covariance has no likelihood ratio: under it the statistic is no chi-square (White 1982).
    """
    inflations = _inflations(inference)
    has_ratio = inference.estimator == "maximum likelihood" and inference.kind.is_of_model
    tested = budget if has_ratio else PassBudget(0)
    return [_of_column(inference, term, tested) | inflations.get(term.column, {}) for term in inference.terms]


def _inflations(inference: Inference) -> dict[str, dict[str, float]]:
    """By column, its variance inflation factor, of several levels or parts the generalised one."""
    free = set(inference.design.columns.tolist())
    if inference.penalised:
        return {}
    groups = {term.column: [row for row in term.rows if row in free] for term in inference.terms}
    groups = {column: rows for column, rows in groups.items() if rows}
    factors = inflation.factors(inference.gram, list(groups.values()), inference.rows.intercept)
    return {
        column: {"inflation": one.factor, "inflation_per_degree": one.per_degree}
        for column, one in zip(groups, factors, strict=True)
    }


def _of_column(inference: Inference, term: Term, budget: PassBudget) -> dict[str, Any]:
    design = inference.design
    places = design.places(term.rows)
    result: dict[str, Any] = {"column": term.column, "degrees_of_freedom": len(places)}
    if not len(places):
        return result | {"wald": None, "wald_p": None, "likelihood_ratio": None, "likelihood_ratio_p": None}
    vector = design.vector(inference.maximum.theta)
    wald = contrasts.quadratic_form(vector[places], inference.covariance[places][:, places])
    result["wald"] = wald
    result["wald_p"] = None if wald is None else distributions.chi_square_tail(wald, len(places))
    ratio = _likelihood_ratio(inference, term, places, budget)
    result["likelihood_ratio"] = ratio
    result["likelihood_ratio_p"] = None if ratio is None else distributions.chi_square_tail(ratio, len(places))
    return result


def _likelihood_ratio(inference: Inference, term: Term, places: Tensor, budget: PassBudget) -> float | None:
    """2 (l - l without the column); None where passes do not last, or the restricted fit has no maximum."""
    if budget.left <= 0:
        return None
    design, rows = inference.design, inference.rows
    restricted = design.without(term.rows)
    if not restricted.size:
        budget.left -= 1
        return 2 * (inference.maximum.sums.log_likelihood - pass_over(rows, rows.zero()).log_likelihood)
    try:
        with screen.bar("tests of columns"):
            reached = maximum.maximise(
                rows, restricted, _restricted_start(inference, places), Asked(), most_passes=budget.left
            )
    except maximum.SingularError:
        return None
    budget.left -= reached.passes
    if not reached.converged:
        return None
    return 2 * (inference.maximum.sums.log_likelihood - reached.sums.log_likelihood)


def _restricted_start(inference: Inference, places: Tensor) -> Tensor:
    """theta - V R' (R V R')^-1 R theta, R taking the entries that become 0."""
    design = inference.design
    vector = design.vector(inference.maximum.theta)
    inverse = inference.maximum.factor.inverse()
    lower, failed = portable.cholesky(inverse[places][:, places])
    if not bool(failed):
        multipliers = portable.cholesky_solve(vector[places][:, None], lower)[:, 0]
        vector = vector - portable.matmul(inverse[:, places], multipliers)
    vector = vector.clone()
    vector[places] = 0.0
    return design.theta(vector)
