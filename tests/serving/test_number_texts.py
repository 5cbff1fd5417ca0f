"""Numbers of answers are written as Arrow writes them into a CSV."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from hypothesis import given
from hypothesis import strategies as st

from pipeline.serving.answers import number_texts


@given(st.lists(st.floats(), min_size=1))
def test_numbers_have_the_text_of_a_csv(numbers: list[float]) -> None:
    """What Arrow writes into a CSV; null where JSON has no number, and where a CSV has none for NaN."""
    out = io.BytesIO()
    pa_csv.write_csv(pa.table({"a": pa.array(numbers, pa.float64())}), out, pa_csv.WriteOptions(include_header=False))
    texts = out.getvalue().decode().split("\n")[:-1]
    expected = [text if np.isfinite(number) else "null" for text, number in zip(texts, numbers, strict=True)]
    assert number_texts(np.array(numbers)) == expected
    for text, number in zip(expected, numbers, strict=True):
        assert text == "null" or json.loads(text) == number
