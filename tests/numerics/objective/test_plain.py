"""The objective against plain PyTorch, automatic differentiation and scikit-learn."""

import hypothesis.strategies as st
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from pipeline.numerics.data.block import Block, Parameters
from pipeline.numerics.objective.plain import PlainObjective, logits

NUMBERS, LEVELS, CLASSES = 3, (2, 4), 5
COLUMNS = NUMBERS + sum(LEVELS)


def _block(rows: int, seed: int, weighted: bool = False) -> Block:
    generator = torch.Generator().manual_seed(seed)
    codes = [torch.randint(levels, (rows,), generator=generator) for levels in LEVELS]
    offsets = torch.tensor([NUMBERS, NUMBERS + LEVELS[0]])
    return Block(
        torch.randn(rows, NUMBERS, generator=generator),
        torch.stack(codes, 1) + offsets,
        torch.randint(CLASSES, (rows,), generator=generator),
        torch.rand(rows, generator=generator, dtype=torch.float64) + 0.1 if weighted else None,
    )


def _parameters(seed: int, scale: float = 1.0) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(CLASSES, COLUMNS, generator=generator, dtype=torch.float64) * scale
    return Parameters(weights, torch.randn(CLASSES, generator=generator, dtype=torch.float64) * scale)


def _dense(block: Block) -> torch.Tensor:
    one_hot = torch.zeros(len(block.labels), COLUMNS, dtype=torch.float64)
    one_hot[:, :NUMBERS] = block.numbers.double()
    return one_hot.scatter_(1, block.codes, 1.0)


def _objective(blocks: list[Block], l2: float = 0.0, threads: int = 1) -> PlainObjective:
    return PlainObjective(blocks, COLUMNS, l2, threads, torch.float64)


def _reference(blocks: list[Block], parameters: Parameters, l2: float) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Value and gradient by PyTorch's cross_entropy and autograd on one-hot columns."""
    weights = parameters.weights.clone().requires_grad_()
    bias = parameters.bias.clone().requires_grad_()
    rows = torch.cat([_dense(block) for block in blocks])
    labels = torch.cat([block.labels for block in blocks])
    losses = F.cross_entropy(rows @ weights.T + bias, labels, reduction="none")
    per_row = torch.cat([torch.ones(len(b.labels)) if b.weights is None else b.weights for b in blocks])
    value = (losses * per_row).sum() / per_row.sum() + l2 / 2 * weights.square().sum()
    value.backward()
    return value.item(), weights.grad, bias.grad


@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_those_of_autograd(weighted: bool) -> None:
    """Codes, blocks and weights give what cross_entropy on one-hot columns gives, to float64's rounding."""
    blocks = [_block(rows, seed, weighted) for seed, rows in enumerate((50, 50, 7))]
    parameters = _parameters(9)
    value, weights_gradient, bias_gradient = _reference(blocks, parameters, l2=0.3)
    ours = _objective(blocks, l2=0.3).loss_gradient(parameters)
    assert ours.cost + ours.penalty == pytest.approx(value, rel=1e-13)
    torch.testing.assert_close(ours.weights_gradient, weights_gradient, rtol=0, atol=1e-14)
    torch.testing.assert_close(ours.bias_gradient, bias_gradient, rtol=0, atol=1e-14)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_threads_and_order_of_blocks_do_not_change_a_bit(precision: torch.dtype) -> None:
    """One to eight threads, and the blocks backwards, give identical bytes."""
    blocks = [_block(64, seed, weighted=True) for seed in range(11)]
    parameters = _parameters(1)

    def bits(order: list[Block], threads: int) -> bytes:
        result = PlainObjective(order, COLUMNS, 0.1, threads, precision).loss_gradient(parameters)
        tensors = (result.weights_gradient, result.bias_gradient, torch.tensor(result.cost))
        return b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors)

    expected = bits(blocks, 1)
    assert [bits(blocks, threads) for threads in (2, 3, 4, 8)] == [expected] * 4
    assert bits(blocks[::-1], 2) == expected


def test_weight_two_equals_the_row_twice() -> None:
    """A row of weight 2 and the same row twice are one objective."""
    block = _block(20, 3)
    twice = Block(*(torch.cat([part, part]) for part in (block.numbers, block.codes, block.labels)))
    heavy = Block(block.numbers, block.codes, block.labels, torch.full((20,), 2.0, dtype=torch.float64))
    parameters = _parameters(4)
    a, b = _objective([twice]).loss_gradient(parameters), _objective([heavy]).loss_gradient(parameters)
    assert a.cost == pytest.approx(b.cost, rel=1e-14)
    torch.testing.assert_close(a.weights_gradient, b.weights_gradient, rtol=0, atol=1e-15)


@given(st.floats(min_value=-1e4, max_value=1e4), st.integers(min_value=0, max_value=1000))
@settings(deadline=None, max_examples=50)
def test_extreme_logits_stay_finite(scale: float, seed: int) -> None:
    """Logits of +-1e4 and more give a finite cost that is cross_entropy's."""
    block, parameters = _block(10, seed), _parameters(seed, scale)
    result = _objective([block]).loss_gradient(parameters)
    expected = F.cross_entropy(_dense(block) @ parameters.weights.T + parameters.bias, block.labels)
    assert result.cost == pytest.approx(expected.item(), rel=1e-12, abs=1e-12)


def test_a_shift_of_all_logits_changes_nothing() -> None:
    """Softmax knows only differences of logits: the same number added to every bias leaves cost and gradient."""
    block, parameters = _block(30, 5), _parameters(5)
    shifted = Parameters(parameters.weights, parameters.bias + 3.0)
    a, b = _objective([block]).loss_gradient(parameters), _objective([block]).loss_gradient(shifted)
    assert a.cost == pytest.approx(b.cost, rel=1e-13)
    torch.testing.assert_close(a.weights_gradient, b.weights_gradient, rtol=0, atol=1e-14)


def test_one_hot_times_log_softmax_is_cross_entropy() -> None:
    """The textbook's formula, spelled out, equals PyTorch's cross_entropy and ours."""
    block, parameters = _block(12, 6), _parameters(6)
    scores = logits(block, parameters, torch.float64)
    by_hand = -(F.one_hot(block.labels, CLASSES) * torch.log_softmax(scores, 1)).sum(1).mean()
    assert by_hand.item() == pytest.approx(F.cross_entropy(scores, block.labels).item(), rel=1e-15)
    assert _objective([block]).loss(parameters) == pytest.approx(by_hand.item(), rel=1e-14)


def test_a_number_that_is_not_finite_is_refused() -> None:
    """An infinite input has no finite bound on its sums: an error, not a NaN."""
    block = _block(5, 7)
    block.numbers[2, 1] = float("inf")
    with pytest.raises(OverflowError):
        _objective([block])
