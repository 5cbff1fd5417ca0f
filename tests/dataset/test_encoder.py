"""Encoding: equal to scikit-learn's transformers, stored and restored as JSON, never a crash on what is new."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from pipeline.dataset.columns import Chunk, Texts
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn, code_type
from pipeline.errors import UserError
from pipeline.prepare import fit_encoder
from pipeline.table import stream, type_inference
from pipeline.table.column_statistics import ColumnStatistics

PENGUINS = Path("data/raw/penguins.csv")
NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "year"]
CATEGORIES = ["island", "sex"]


def _penguins(standardise: bool) -> tuple[Encoder, Chunk]:
    statistics = type_inference.learn(PENGUINS, type_inference.Columns([*NUMBERS, *CATEGORIES]), ["NA"])
    encoder = fit_encoder.fit(PENGUINS, statistics, list(statistics.types), "species", ["a", "b"], ["NA"], standardise)
    return encoder, next(iter(stream.read(PENGUINS, encoder.types, ["NA"])))


@pytest.mark.parametrize("standardise", [False, True])
def test_numbers_are_those_of_scikit_learn(standardise: bool) -> None:
    """Means, indicators and standardised values are those of StandardScaler and SimpleImputer."""
    encoder, chunk = _penguins(standardise)
    frame = pd.read_csv(PENGUINS)[NUMBERS]
    imputer = SimpleImputer(strategy="mean", add_indicator=True)
    reference = make_pipeline(StandardScaler(), imputer) if standardise else imputer
    # Both round float64 sums to float32 once: they may fall to either side of a half-way point, one float32 ulp.
    np.testing.assert_allclose(encoder.encode(chunk).numbers, reference.fit_transform(frame), rtol=2**-23, atol=2**-24)
    assert encoder.number_count == len(NUMBERS) + 4


def test_codes_are_those_of_one_hot() -> None:
    """Written out as one-hot columns, codes are OneHotEncoder's columns; the level for unseen texts stays empty."""
    encoder, chunk = _penguins(standardise=False)
    frame = pd.read_csv(PENGUINS)[CATEGORIES].fillna(MISSING)
    one_hot = OneHotEncoder(sparse_output=False, categories=[list(c.levels[:-1]) for c in encoder.categories])
    reference = one_hot.fit_transform(frame)
    codes = encoder.encode(chunk).codes
    blocks = [np.eye(count)[codes[:, i]] for i, count in enumerate(encoder.level_counts)]
    np.testing.assert_array_equal(np.hstack([block[:, :-1] for block in blocks]), reference)
    assert not np.hstack([block[:, -1:] for block in blocks]).any()
    names = [name for name in encoder.features[encoder.number_count :] if not name.endswith(UNSEEN)]
    assert names == [name.replace("_", "=", 1) for name in one_hot.get_feature_names_out()]


def test_features_are_named_in_the_order_of_the_columns() -> None:
    """Numbers, then indicators, then levels; booleans are numbers and never standardised."""
    encoder = Encoder(
        numbers=(NumberColumn("n", "number", 2.0, 2.0, 0.5, True), NumberColumn("b", "boolean", 0.25, 0.0, 1.0, False)),
        categories=(CategoryColumn("c", ("u", "v", MISSING, UNSEEN)),),
        target="y",
        classes=(False, True),
        missing_values=("",),
    )
    assert encoder.features == ("n", "b", "n missing", "c=u", "c=v", "c=<missing>", "c=<unseen>")
    chunk = Chunk(
        first_row=1,
        rows=4,
        numbers={"n": np.array([1.0, np.nan, 2.0, 3.0]), "b": np.array([1.0, 0.0, np.nan, 1.0])},
        texts={"c": Texts(np.array([1, -1, 0, 2], dtype=np.int32), ("new", "v", UNSEEN))},
    )
    encoded = encoder.encode(chunk)
    assert encoded.numbers.tolist() == [[-2, 1, 0], [0, 0, 1], [0, 0.25, 0], [2, 1, 0]]
    assert encoded.codes.tolist() == [[1], [2], [3], [3]]
    assert (encoded.numbers.dtype, encoded.codes.dtype) == (np.float32, np.uint8)


def test_missing_where_training_had_none_is_unseen() -> None:
    """Without a level for missing values, a missing category is encoded as unseen."""
    encoder = Encoder((), (CategoryColumn("c", ("u", UNSEEN)),), "y", (0, 1), ("",))
    chunk = Chunk(1, 2, {}, {"c": Texts(np.array([-1, 0], dtype=np.int32), ("u",))})
    encoded = encoder.encode(chunk)
    assert encoded.codes.tolist() == [[1], [0]]
    assert encoded.numbers.shape == (2, 0)


NAMES = st.text(min_size=1, max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
CLASSES = st.one_of(
    st.lists(st.integers(), min_size=1, unique=True), st.lists(NAMES, min_size=1, unique=True), st.just([False, True])
)


@st.composite
def encoders(draw: st.DrawFn) -> Encoder:
    """Encoders of any names and numbers, as fitting makes them: no name stands for two things."""
    target, *names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    cut = draw(st.integers(0, len(names)))
    scales, types = FLOATS.filter(lambda scale: scale > 0), st.sampled_from(["number", "boolean"])
    numbers = [
        NumberColumn(name, *draw(st.tuples(types, FLOATS, FLOATS, scales, st.booleans()))) for name in names[:cut]
    ]
    levels = st.lists(NAMES, unique=True).map(lambda texts: (*texts, MISSING, UNSEEN))
    categories = [CategoryColumn(name, draw(levels)) for name in names[cut:]]
    missing_values = draw(st.lists(NAMES))
    encoder = Encoder(tuple(numbers), tuple(categories), target, tuple(draw(CLASSES)), tuple(missing_values))
    assume(len({*encoder.features}) == len(encoder.features))
    return encoder


@pytest.mark.slow
@given(encoders())
@settings(deadline=None)
def test_json_keeps_every_bit(encoder: Encoder) -> None:
    """An encoder restored from its JSON text is equal to it, floats and all."""
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


@pytest.mark.parametrize(("levels", "name"), [(256, "uint8"), (257, "int16"), (2**15, "int16"), (2**15 + 1, "int32")])
def test_codes_take_the_smallest_type(levels: int, name: str) -> None:
    """The type of codes is the smallest that holds the last level's index."""
    assert code_type([3, levels]) == np.dtype(name)
    assert np.iinfo(code_type([levels])).max >= levels - 1


def test_a_constant_column_keeps_its_scale(tmp_path: Path) -> None:
    """A constant column standardises to 0 for its value, by scale 1."""
    source = tmp_path / "t.csv"
    source.write_text("x,y\n0.1,1\n0.1,2\n0.1,2\n")
    encoder = fit_encoder.fit(
        source,
        type_inference.learn(source, type_inference.Columns(["x"]), []),
        ["x"],
        "y",
        [1, 2],
        [],
        standardise=True,
    )
    assert (encoder.numbers[0].shift, encoder.numbers[0].scale) == (0.1, 1.0)
    assert encoder.encode(next(stream.read(source, encoder.types, []))).numbers.tolist() == [[0.0]] * 3


def test_too_far_from_training_is_told() -> None:
    """A value whose standardised form overflows float32 is named with its row, not passed on as infinity."""
    encoder = Encoder((NumberColumn("x", "number", 0.0, 0.0, 1e-30, False),), (), "y", (0, 1), ())
    chunk = Chunk(11, 2, {"x": np.array([1e-30, 1e10])}, {})
    with pytest.raises(UserError, match=r"data row 12, column x: 10000000000\.0 is too far from the training rows"):
        encoder.encode(chunk)


def test_codes_that_are_numbers_sort_as_numbers() -> None:
    """Levels that are all numbers stand in the order of their values, others by code point."""
    assert fit_encoder.ordered(["10", "9", "2.5"]) == ["2.5", "9", "10"]
    assert fit_encoder.ordered(["10", "9", "b", "B"]) == ["10", "9", "B", "b"]


def test_texts_that_spell_levels_of_ours_are_unseen() -> None:
    """A cell that spells a level of ours is a text that training did not see, not a gap and not a rare level."""
    levels = ("u", MISSING, UNSEEN)
    encoder = Encoder((), (CategoryColumn("c", levels),), "y", (0, 1), ("",))
    chunk = Chunk(1, 3, {}, {"c": Texts(np.array([0, 1, -1], dtype=np.int32), (MISSING, UNSEEN))})
    assert [levels[code] for code in encoder.encode(chunk).codes[:, 0]] == [UNSEEN, UNSEEN, MISSING]


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """A table that makes two columns of W of one name is told so."""
    source = tmp_path / "t.csv"
    source.write_text("c,c=u,y\nu,1,1\nv,2,2\n")
    statistics = type_inference.learn(source, type_inference.Columns(["c", "c=u"]), [])
    with pytest.raises(UserError, match="two columns of W would both be named 'c=u'"):
        fit_encoder.fit(source, statistics, ["c", "c=u"], "y", [1, 2], [], standardise=False)


def test_a_column_without_values_in_training_is_told() -> None:
    """Columns of which no training row has a value are all named."""
    statistics = ColumnStatistics({"a": "number", "b": "text"})
    statistics.add(Chunk(1, 1, {"a": np.array([np.nan])}, {"b": Texts(np.array([-1], dtype=np.int32), ())}))
    with pytest.raises(UserError, match="no value in any training row of column a, b"):
        fit_encoder.fit(Path("t.csv"), statistics, ["a", "b"], "y", [1, 2], [], standardise=False)


def test_encoder_and_shards_need_no_heavy_library() -> None:
    """Reading prepared data and encoding import neither torch nor a reader of tables; pydantic checks what is read."""
    code = "import sys, pipeline.dataset.encoder, pipeline.dataset.reader; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "numpy" in modules
    assert not {"torch", "pandas", "pyarrow", "sklearn", "mlflow"} & set(modules)
