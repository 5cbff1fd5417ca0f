"""The model's files: what is saved is what is loaded, damage is noticed; and logits that never depend on a BLAS."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import files, model, output_files
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.errors import UserError
from pipeline.scoring import logits


def number(name: str, *, indicator: bool = False) -> NumberColumn:
    """A number column that is not standardised."""
    return NumberColumn(name, "number", mean=0.5, shift=0.0, scale=1.0, indicator=indicator)


def make_model(seed: int = 0, classes: tuple[Any, ...] = ("a", "b", "c"), **params: Any) -> model.Model:
    """Two numbers, one indicator and two categories: 3 + 3 + 2 columns of W, drawn at random."""
    encoder = Encoder(
        numbers=(number("x", indicator=True), number("größe")),
        categories=(CategoryColumn("dest", ("ATL", "BOS", UNSEEN)), CategoryColumn("day", ("1", UNSEEN))),
        target="y",
        classes=classes,
        missing_values=("", "NA"),
    )
    generator = np.random.default_rng(seed)
    return model.Model(
        weights=generator.normal(size=(len(classes), 8)),
        bias=generator.normal(size=len(classes)),
        encoder=encoder,
        params=params or {"solver": "sgd", "lr": 0.1},
        data_digest="d" * 64,
        result={"status": "converged", "cost": 0.1, "best_epoch": None},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds a saved model."""
    model.save(tmp_path, make_model())
    return tmp_path


@pytest.mark.parametrize("classes", [("a", "b", "c"), (False, True), (0, 7, 10)])
def test_a_saved_model_loads_as_it_was(tmp_path: Path, classes: tuple[Any, ...]) -> None:
    """Weights bit for bit, classes of their own type, and everything else."""
    saved = make_model(classes=classes)
    model.save(tmp_path, saved)
    loaded = model.load(tmp_path)
    assert loaded.weights.tobytes() == saved.weights.tobytes()
    assert loaded.bias.tobytes() == saved.bias.tobytes()
    assert (loaded.encoder, loaded.params, loaded.result) == (saved.encoder, saved.params, saved.result)
    assert [(type(label), label) for label in loaded.classes] == [(type(label), label) for label in classes]
    assert loaded.data_digest == saved.data_digest


def test_saving_twice_gives_the_same_bytes(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two saves of equal models are equal files."""
    other = tmp_path_factory.mktemp("other")
    model.save(other, make_model())
    for name in (output_files.METADATA_FILE, output_files.WEIGHTS_FILE):
        assert (other / name).read_bytes() == (folder / name).read_bytes()


def test_the_key_is_the_digest_in_the_file_and_survives_loading(folder: Path) -> None:
    """A run's key can be found in softmax.json by search, and is the same before saving and after loading."""
    digest = json.loads((folder / output_files.METADATA_FILE).read_text(encoding="utf-8"))["digest"]
    assert model.load(folder).key == make_model().key == digest


def test_models_that_differ_anywhere_have_different_keys() -> None:
    """Weights, params and data all count."""
    assert len({make_model().key, make_model(seed=1).key, make_model(lr=0.2).key}) == 3


def test_params_with_integer_keys_can_be_saved(tmp_path: Path) -> None:
    """JSON makes text of the keys of class weights, which sorts 10 before 2; the digest still matches."""
    model.save(tmp_path, make_model(class_weight={2: 1.0, 10: 2.0, "x": 0.5}))
    assert model.load(tmp_path).params == {"class_weight": {"2": 1.0, "10": 2.0, "x": 0.5}}


def test_weights_that_do_not_fit_the_encoder_are_refused() -> None:
    """A model whose shapes disagree is a bug and is stopped where it is made."""
    complete_model = make_model()
    with pytest.raises(ValueError, match=r"do not fit \(3, 8\)"):
        model.Model(complete_model.weights[:, 1:], complete_model.bias, complete_model.encoder, {}, "", {})


def cut_weights(folder: Path) -> None:
    """Half of softmax.safetensors."""
    path = folder / output_files.WEIGHTS_FILE
    path.write_bytes(path.read_bytes()[:100])


def flip_a_bit_of_a_weight(folder: Path) -> None:
    """One weight changed in its last bit."""
    path = folder / output_files.WEIGHTS_FILE
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(bytes(content))


def swap_weights(folder: Path) -> None:
    """Weights of another model of the same shape."""
    model.save(folder / "other", make_model(seed=1))
    (folder / "other" / output_files.WEIGHTS_FILE).replace(folder / output_files.WEIGHTS_FILE)


def remove_weights(folder: Path) -> None:
    """No softmax.safetensors."""
    (folder / output_files.WEIGHTS_FILE).unlink()


def remove_metadata(folder: Path) -> None:
    """No softmax.json."""
    (folder / output_files.METADATA_FILE).unlink()


def cut_metadata(folder: Path) -> None:
    """Half of softmax.json."""
    path = folder / output_files.METADATA_FILE
    path.write_text(path.read_text(encoding="utf-8")[:300], encoding="utf-8")


def edit_metadata(folder: Path) -> None:
    """Another learning rate in softmax.json."""
    path = folder / output_files.METADATA_FILE
    path.write_text(path.read_text(encoding="utf-8").replace('"lr": 0.1', '"lr": 0.2'), encoding="utf-8")


def not_finite(folder: Path) -> None:
    """NaN, which Python's parser would take though it is not JSON."""
    path = folder / output_files.METADATA_FILE
    path.write_text(path.read_text(encoding="utf-8").replace('"lr": 0.1', '"lr": NaN'), encoding="utf-8")


def not_utf8(folder: Path) -> None:
    """Bytes that are no text."""
    (folder / output_files.METADATA_FILE).write_bytes(b"\xff\xfe\x00")


def not_a_mapping(folder: Path) -> None:
    """JSON, but a list."""
    files.write_json(folder / output_files.METADATA_FILE, [])


def later_format(folder: Path) -> None:
    """A version of the format that this program does not know, with a digest that matches."""
    path = folder / output_files.METADATA_FILE
    document = json.loads(path.read_text(encoding="utf-8")) | {"format": "softmax-model/2"}
    del document["digest"]
    files.write_json(path, document | {"digest": files.sha256_text(files.canonical_json(document))})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut_weights, "softmax.safetensors: SHA-256 is not the one in softmax.json"),
        (flip_a_bit_of_a_weight, "softmax.safetensors: SHA-256 is not the one in softmax.json"),
        (swap_weights, "or belongs to another model; run `dvc repro`"),
        (remove_weights, "softmax.safetensors: no such file"),
        (remove_metadata, "softmax.json: no such file"),
        (cut_metadata, "softmax.json: expected JSON, got something else"),
        (edit_metadata, "softmax.json: digest does not match its content: file was cut short or edited"),
        (not_finite, "softmax.json: expected JSON, got something else"),
        (not_utf8, "softmax.json: expected JSON, got something else"),
        (not_a_mapping, "softmax.json: expected a JSON object, got list"),
        (later_format, "softmax.json: expected format softmax-model/1, got 'softmax-model/2'"),
    ],
)
def test_a_damaged_model_is_refused_with_its_file_named(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    """Every way to spoil the files ends in one message that says what to do."""
    damage(folder)
    with pytest.raises(UserError) as error:
        model.load(folder)
    assert message in str(error.value)
    assert str(folder) in str(error.value)
    assert "dvc repro" in str(error.value)


def random_rows(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Encoded rows for the model of this file."""
    generator = np.random.default_rng(rows)
    numbers = generator.normal(size=(rows, 3)).astype(np.float32)
    codes = np.column_stack([generator.integers(0, 3, rows), generator.integers(0, 2, rows)]).astype(np.uint8)
    return numbers, codes


def test_logits_equal_a_one_hot_product() -> None:
    """Codes looked up in W are what torch's product with their one-hot columns is."""
    given = make_model()
    numbers, codes = random_rows(500)
    one_hot = [torch.nn.functional.one_hot(torch.from_numpy(codes[:, c]).long(), n) for c, n in enumerate((3, 2))]
    columns = torch.cat([torch.from_numpy(numbers).double(), *one_hot], dim=1)
    expected = torch.nn.functional.linear(columns, torch.from_numpy(given.weights), torch.from_numpy(given.bias))
    # Nine additions of numbers below 10, in another order.
    np.testing.assert_allclose(logits.compute_logits(given, numbers, codes), expected.numpy(), rtol=0, atol=1e-14)


def test_logits_of_a_row_do_not_depend_on_its_neighbours() -> None:
    """A row scored alone, in a small table or in one of several blocks has the same bits."""
    given = make_model()
    numbers, codes = random_rows(9001)
    together = logits.compute_logits(given, numbers, codes)
    for rows in (slice(0, 1), slice(4095, 4098), slice(8999, 9001)):
        assert logits.compute_logits(given, numbers[rows], codes[rows]).tobytes() == together[rows].tobytes()


def test_logits_of_no_rows_are_an_empty_table() -> None:
    """The shape is right even without rows."""
    numbers, codes = random_rows(0)
    assert logits.compute_logits(make_model(), numbers, codes).shape == (0, 3)


def test_reading_a_model_loads_no_heavy_library() -> None:
    """Whoever reads a model waits for numpy only."""
    heavy = ("torch", "sklearn", "pandas", "pyarrow", "mlflow", "scipy")
    program = f"import sys, pipeline.model; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
