"""What MLflow is told of input and output; the example is a row that every model predicts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.columns import DATE_PARTS
from pipeline.dataset.encoder import MISSING, OTHER, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.predictor.scorer import Scorer
from pipeline.predictor.values import ValueReader
from pipeline.table import dates
from pipeline.tracking.runs import signature
from tests.tracking import hostile
from tests.tracking.outputs import Project

MEANS = st.floats(-1e6, 1e6) | st.integers(-(2**40), 2**40).map(float)


def encoder_of(numbers: list[NumberColumn], levels: tuple[str, ...] = (UNSEEN,)) -> Encoder:
    return Encoder(tuple(numbers), (CategoryColumn("g", levels),), "y", ("p", "q"), ("", "NA"))


@given(
    st.sampled_from(["number", "number 1.234,5", "boolean", *dates.COMMON]),
    MEANS,
    st.sampled_from([(UNSEEN,), (MISSING, UNSEEN), ("b", "a", OTHER, UNSEEN), ("<b>", UNSEEN)]),
)
def test_the_example_is_a_row_that_the_model_reads(kind: str, mean: float, levels: tuple[str, ...]) -> None:
    """Whatever the means and the form of a date; no level that only the encoder has stands in it."""
    names = [f"x {part}" for part in DATE_PARTS] if kind.startswith("date") else ["x"]
    encoder = encoder_of([NumberColumn(name, kind, mean, 0.0, 1e9, indicator=False) for name in names], levels)
    row = signature.example(encoder)
    assert [*row] == [*encoder.types]
    assert row["g"] == next((level for level in levels if level not in (MISSING, OTHER, UNSEEN)), None)
    encoder.encode(ValueReader(encoder).chunk_of({name: [value] for name, value in row.items()}))


def test_the_example_has_the_means_of_the_training_rows() -> None:
    """Numbers as they are, a boolean by the majority, a date of the means of its parts."""
    assert signature.example(hostile.ENCODER) == {
        hostile.NUMBER: 1.75,
        hostile.SPELLED: 1200.5,
        hostile.BOOLEAN: True,
        hostile.DATE: "01/06/2002",
        hostile.ISO: "2000-01-01",
        hostile.TEXT: "None",
        hostile.CODE: "1",
    }


def test_of_a_very_wide_table_no_column_is_listed(tmp_path: Path) -> None:
    """MLflow's checks would take longer than predicting; what is missing the model says itself."""
    project = Project(tmp_path / "project", features=[f"x{number}" for number in range(1200)])
    told = signature.signature(Scorer(project.model))
    assert told.inputs is None
    assert told.outputs is not None
    assert signature.column_types(project.encoder) == {}
