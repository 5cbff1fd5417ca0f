"""Which slice each row lies in, against pandas."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset.reader import Dataset
from pipeline.evaluate.slices.columns import MAX_SLICES, NoSlicesError, SlicedColumn, slice_column
from tests.evaluate.slices.problems import predicted, prepared, table

ROWS = 600


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The table."""
    return table(ROWS)


@pytest.fixture(scope="module")
def dataset(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The table, split by seed."""
    return prepared(tmp_path_factory.mktemp("table"), frame, split={"method": "seed"})


def labels_of(column: SlicedColumn) -> list[str]:
    """The label of each row's slice."""
    return [column.labels[code] for code in column.codes]


@pytest.mark.parametrize("name", ["colour", "region", "year"])
def test_levels_and_few_numbers_are_slices(frame: pd.DataFrame, dataset: Dataset, name: str) -> None:
    """Of a feature's levels, a kept column's values and a number of three different ones; a gap is a slice, too."""
    _, rows = predicted(dataset, "test")
    expected = frame[name].iloc[rows].astype(object).where(frame[name].iloc[rows].notna(), "<missing>").astype(str)
    assert labels_of(slice_column(dataset, name, "test")) == expected.tolist()


@pytest.mark.parametrize("name", ["size", "age"])
def test_numbers_are_cut_at_quartiles_of_the_training_rows(frame: pd.DataFrame, dataset: Dataset, name: str) -> None:
    """Four ranges that training rows fill evenly, labelled by the lowest and the highest number of the rows in them."""
    training, rows = predicted(dataset, "train")[1], predicted(dataset, "test")[1]
    ends = frame[name].iloc[training].quantile([0.25, 0.5, 0.75], interpolation="inverted_cdf").to_numpy()
    values = frame[name].iloc[rows].to_numpy().astype(float)
    column = slice_column(dataset, name, "test")
    for code, label in enumerate(column.labels):
        inside = values[column.codes == code]
        if label == "<missing>":
            assert np.isnan(inside).all()
            continue
        assert [float(bound) for bound in label.split(" to ")] == pytest.approx([inside.min(), inside.max()], abs=1e-4)
        # Rounding to float32 may move a number over an end that it equals.
        assert set(np.searchsorted(ends, inside - 1e-4)) == {code}
    assert len(column.labels) == (5 if name == "size" else 4)
    counts = np.bincount(slice_column(dataset, name, "train").codes)[:4]
    ties = frame[name].iloc[training].value_counts().max()
    assert counts.max() - counts.min() <= 2 * ties + 1


def test_parts_of_dates_are_numbers(frame: pd.DataFrame, dataset: Dataset) -> None:
    """A part is sliced by its own name; the date itself is none of the columns."""
    _, rows = predicted(dataset, "test")
    column = slice_column(dataset, "day weekday", "test")
    values = frame["day"].iloc[rows].dt.day_of_week.to_numpy()
    for code in range(len(column.labels)):
        assert len(set(values[column.codes == code])) == 1
    with pytest.raises(NoSlicesError, match="no such column among features"):
        slice_column(dataset, "day", "test")


def test_columns_that_cannot_be_sliced_say_why(dataset: Dataset, tmp_path: Path) -> None:
    """Digests alone, no such column, and more values than can be read."""
    with pytest.raises(NoSlicesError, match=r"only digests .* name it in prepare\.keep_values"):
        slice_column(dataset, "who", "test")
    with pytest.raises(NoSlicesError, match="no such column"):
        slice_column(dataset, "coulour", "test")
    many = table(3_000).assign(colour=[f"c{row % (MAX_SLICES + 1)}" for row in range(3_000)])
    with pytest.raises(NoSlicesError, match=rf"{MAX_SLICES + 1} different values"):
        slice_column(prepared(tmp_path, many), "colour", "train")


def test_rows_of_weight_0_lie_in_no_slice(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Codes are of the rows that count."""
    weighted = prepared(tmp_path, frame, weights="w", leave_out=[])
    _, rows = predicted(weighted, "train")
    assert len(rows) == int((frame["w"] > 0).sum())
    assert labels_of(slice_column(weighted, "colour", "train")) == frame["colour"].iloc[rows].tolist()


def test_codes_with_an_underscore_are_no_numbers(tmp_path: Path) -> None:
    """Python reads 1_2 as 12, and would cut the codes into ranges."""
    frame = table(300)
    codes = [f"{row % 12}_{row % 5}" for row in range(300)]
    column = slice_column(prepared(tmp_path, frame.assign(region=codes)), "region", "train")
    assert labels_of(column) == codes


def test_a_text_that_reads_missing_is_one_slice_with_no_value(tmp_path: Path) -> None:
    """Two slices of one name could not be told apart."""
    texts = ["north", "<missing>", None] * 100
    column = slice_column(prepared(tmp_path, table(300).assign(region=texts)), "region", "train")
    assert column.labels == ["<missing>", "north"] or column.labels == ["north", "<missing>"]
    assert labels_of(column) == [text or "<missing>" for text in texts]
