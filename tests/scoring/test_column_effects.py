"""Effects of columns against what logits do when a value changes."""

import numpy as np

from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.model import Model
from pipeline.scoring.column_effects import column_effects
from pipeline.scoring.logits import compute_logits


def _model(seed: int) -> Model:
    numbers = tuple(NumberColumn(name, "number", 0.0, 3.0, scale, False) for name, scale in (("u", 1.0), ("v", 5.0)))
    encoder = Encoder(numbers, (CategoryColumn("c", ("p", "q", "r", "<unseen>")),), "y", ("a", "b", "d"), ("",))
    random = np.random.default_rng(seed)
    return Model(random.normal(size=(3, 6)), random.normal(size=3), encoder, {}, "0" * 64, {})


def _change(model: Model, before: tuple[list[float], int], after: tuple[list[float], int]) -> np.ndarray:
    """Of each class's logit against the mean of all, (k,)."""
    logits = [
        compute_logits(model, np.array([numbers], dtype=np.float32), np.array([[code]]))
        for numbers, code in (before, after)
    ]
    difference = (logits[1] - logits[0])[0]
    return np.asarray(difference - difference.mean())


def test_an_effect_is_the_largest_change_of_a_centred_logit() -> None:
    """One standard deviation of a number, in encoded units, or the best exchange of two levels that rows have."""
    for seed in range(20):
        model = _model(seed)
        effects = {effect.column: effect for effect in column_effects(model, {"u": 2.0, "v": 10.0})}
        # Encoded, a standard deviation is sd / scale = 2 of either; float32 holds what is compared to 1e-6.
        of_u, of_v = (_change(model, ([0, 0], 0), after) for after in (([2, 0], 0), ([0, 2], 0)))
        assert np.isclose(effects["u"].nats, np.abs(of_u).max(), rtol=1e-6)
        assert np.isclose(effects["v"].nats, np.abs(of_v).max(), rtol=1e-6)
        assert (effects["u"].value == "more") == (of_u[model.classes.index(effects["u"].label)] > 0)
        exchanges = {(a, b): _change(model, ([0, 0], a), ([0, 0], b)) for a in range(3) for b in range(3)}
        largest = max(exchanges, key=lambda pair: exchanges[pair].max())
        assert np.isclose(effects["c"].nats, exchanges[largest].max(), rtol=1e-6)
        assert effects["c"].value == "pqr"[largest[1]]
        assert effects["c"].label == model.classes[int(exchanges[largest].argmax())]


def test_without_a_deviation_a_number_counts_by_its_encoded_unit() -> None:
    """That is one standard deviation where the column is standardised."""
    model = _model(0)
    effects = {effect.column: effect.nats for effect in column_effects(model, {})}
    centred = model.weights - model.weights.mean(axis=0)
    assert effects["v"] == np.abs(centred[:, 1]).max()
    assert [effect.nats for effect in column_effects(model, {})] == sorted(effects.values(), reverse=True)
