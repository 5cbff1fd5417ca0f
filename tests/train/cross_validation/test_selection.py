"""The one-standard-error rule, against numpy and by its definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.train.cross_validation.selection import Estimate, choose, estimate

LOSSES = st.lists(st.floats(0, 100), min_size=2, max_size=10)


@given(LOSSES)
def test_an_estimate_is_numpys_mean_and_standard_error(losses: list[float]) -> None:
    """std with n - 1, over the square root of the folds; 1e-12 leaves numpy its roundings of up to 100."""
    estimated = estimate(losses)
    expected = np.std(losses, ddof=1) / np.sqrt(len(losses))
    actual = [estimated.mean, estimated.standard_error]
    np.testing.assert_allclose(actual, [np.mean(losses), expected], rtol=1e-7, atol=1e-12)


@given(st.lists(st.builds(Estimate, st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_rule_takes_the_first_within_one_standard_error(estimates: list[Estimate]) -> None:
    """None before the chosen one is within, the chosen one is; the lowest is the first of the lowest mean."""
    lowest, chosen = choose(estimates, "one_standard_error")
    means = [each.mean for each in estimates]
    limit = estimates[lowest].mean + estimates[lowest].standard_error
    assert lowest == means.index(min(means))
    assert means[chosen] <= limit < min(means[:chosen], default=np.inf)
    assert choose(estimates, "best") == (lowest, lowest)
