"""Quadratic forms of rows, against dense columns in numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.infer.numerics.design import Design, full
from pipeline.infer.numerics.quadratic_forms import QuadraticForms
from pipeline.infer.numerics.rows import InferenceRows, Tile
from tests.infer.numerics.tables import TABLES, Dense, reference, rows_of
from tests.problems import Problem, synthetic

MORE = TABLES | {
    "one category": synthetic(200, 3, (4,), 3),
    "no number, one category": replace(synthetic(200, 1, (4,), 3), numbers=np.zeros((200, 0), np.float32)),
    "many categories": synthetic(300, 1, (2, 3, 4, 5), 4),
}


def _matrix(design: Design, seed: int = 0) -> torch.Tensor:
    """Of no meaning, and not symmetric."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(design.size, design.size, dtype=torch.float64, generator=generator)


def _all(rows: InferenceRows, forms: QuadraticForms) -> np.ndarray:
    tiles = [tile for block in rows.blocks for tile in rows.tiles(block, forms.numbers_a_row)]
    return np.concatenate([forms.matrices(tile).numpy() for tile in tiles])


def _dense(problem: Problem, rows: InferenceRows, design: Design, matrix: torch.Tensor) -> np.ndarray:
    """x' V_jl x of the symmetric part of each V_jl, (n, f, f), of the pairs j <= l, and the same for l, j."""
    x = Dense.of(problem, rows).z[:, design.columns.numpy()]
    free, e = len(design.labels), x.shape[1]
    q = np.einsum("ia,jalb,ib->ijl", x, matrix.numpy().reshape(free, e, free, e), x, optimize=True)
    upper = np.triu(q)
    return upper + np.triu(q, 1).transpose(0, 2, 1)


@pytest.mark.parametrize("name", MORE)
def test_forms_are_those_of_dense_columns(name: str) -> None:
    """In reference and in full coding; 1e-13 of the largest is the rounding of some hundred products."""
    rows = rows_of(MORE[name])
    for design in (reference(rows), full(rows, torch.arange(rows.columns + 1))):
        matrix = _matrix(design)
        expected = _dense(MORE[name], rows, design, matrix)
        forms = _all(rows, QuadraticForms(rows, design, matrix))
        np.testing.assert_allclose(forms, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
        assert np.array_equal(forms, forms.transpose(0, 2, 1))


def test_a_row_has_its_forms_alone() -> None:
    """To the last bit, whatever rows share its tile."""
    rows = rows_of(MORE["many categories"], size=100)
    design = reference(rows)
    forms = QuadraticForms(rows, design, _matrix(design))
    together = _all(rows, forms)
    alone = np.concatenate([forms.matrices(_row(rows, place)).numpy() for place in range(300)])
    assert np.array_equal(alone, together)


def _row(rows: InferenceRows, place: int) -> Tile:
    block = rows.blocks[place // 100]
    return rows.tile(block.part(slice(place % 100, place % 100 + 1)))
