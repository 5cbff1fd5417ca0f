"""What one thread does with one packed block: logits, softmax, losses, and the transposed product.

Shapes and the two layouts are those of data/layout.py. Figures in comments are microseconds for 8,192
rows on one thread.
"""

import functools
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.numerics.data.block import PROCESSOR
from pipeline.numerics.data.layout import PackedBlock, Rows
from pipeline.numerics.exact.sums import sums_by_code

_PADDING_LOGIT = -1e30

# Below this a float32 probability may have lost its digits, so its logarithm is taken from the logits.
_SMALLEST_TRUSTED = 1e-30

# Numbers a row from which row-major products are made transposed, classes along the small factor's rows. 4,914 rows
# of 1,455 numbers, 8 classes: 14 in place of 45 milliseconds for W x and the transposed product together.
_WIDE = 64

# Columns up to which, and classes from which, class-major residuals are the right factor. 256 rows of 10 columns, 5,000
# classes: 1.2 in place of 2.9 milliseconds; of 28 columns, or of 10 classes, it is the slower order.
_NARROW, _TALL = 16, 32

# exp of so large a number is far from the ends of float32, and so is a sum of millions of them.
_SAFE_LOGIT = 60.0

_buffers = threading.local()


@dataclass(frozen=True)
class Operands:
    """theta as the products want it, in one precision.

    Class-major: numbers (k, d), bias (k, 1); of one logit (1, d) and (1, 1), the second class less the first.
    Row-major: numbers (p, k'), levels (levels, k') with b added to the first category's, so that every row takes it
    once.
    """

    numbers: Tensor
    levels: Tensor | None
    bias: Tensor | None


def operands(rows: Rows, theta: Tensor, precision: torch.dtype, padding: float = _PADDING_LOGIT) -> Operands:
    """Lay theta (d + 1, k) out; ``padding`` becomes the logit of the classes that only fill up a register."""
    values = theta.to(rows.device, precision)
    p, d, k = rows.numbers, rows.columns, rows.classes
    if rows.one_logit:
        difference = (theta[:, 1:] - theta[:, :1]).to(rows.device, precision)
        return Operands(difference[:d].T, None, difference[d:])
    if not rows.row_major:
        return Operands(values[:d].T.contiguous(), None, values[d][:, None].contiguous())
    numbers = values.new_zeros(p, rows.padded_classes)
    numbers[:, :k] = values[:p]
    levels = values.new_zeros(d - p, rows.padded_classes)
    levels[:, :k] = values[p:d]
    levels[: rows.levels[0], :k] += values[d]
    levels[: rows.levels[0], k:] = padding
    return Operands(numbers, levels, None)


def columns_of(block: PackedBlock, precision: torch.dtype) -> Tensor:
    """The block's columns in ``precision``; a converted copy lives in a buffer of the thread until its next block.

    A new buffer a call costs more than the product it is for: 31,000 for 784 columns, in page faults.
    """
    if block.columns.dtype == precision:
        return block.columns
    last: tuple[PackedBlock, Tensor] | None = getattr(_buffers, "converted", None)
    if last and last[0] is block:
        return last[1]
    converted = buffer("columns", block.columns.shape, precision, block.columns.device).copy_(block.columns)
    _buffers.converted = block, converted
    return converted


def buffer(name: str, shape: Sequence[int], precision: torch.dtype, device: torch.device = PROCESSOR) -> Tensor:
    """Memory of the thread, with whatever it held before; the next call of the same name gives the same memory."""
    key = f"{name}_{precision}_{device}"
    size = math.prod(shape)
    memory: Tensor | None = getattr(_buffers, key, None)
    if memory is None or memory.numel() < size:
        memory = torch.empty(size, dtype=precision, device=device)
        setattr(_buffers, key, memory)
    return memory[:size].view(*shape)


def logits(block: PackedBlock, values: Operands, precision: torch.dtype) -> Tensor:
    """W x + b in the block's layout."""
    if values.levels is None:
        assert values.bias is not None
        if block.divided is not None:
            return block.divided.product(values.numbers.T.contiguous()).T.contiguous().add_(values.bias)
        return torch.addmm(values.bias, values.numbers, columns_of(block, precision).T)
    if precision == torch.float32 and len(block.code_columns) > 1:
        result = functional.embedding_bag(
            block.codes.view(-1), values.levels, _bags(*block.codes.shape, block.codes.device), mode="sum"
        )
    else:  # embedding_bag takes 650 in float64, index_select 40
        result = values.levels.index_select(0, block.code_columns[0])
        for codes in block.code_columns[1:]:
            result += values.levels.index_select(0, codes)
    if block.divided is not None:
        result += block.divided.product(values.numbers)
    elif len(values.numbers) >= _WIDE:
        result += (values.numbers.T.contiguous() @ columns_of(block, precision).T).T
    elif len(values.numbers):
        result.addmm_(columns_of(block, precision), values.numbers)
    return result


@functools.cache
def _bags(rows: int, columns: int, device: torch.device) -> Tensor:
    """Where each row's codes begin; without it embedding_bag would count anew in every pass (60 of 1,000)."""
    return torch.arange(0, rows * columns, columns, dtype=torch.int32, device=device)


def transposed_product(rows: Rows, block: PackedBlock, residuals: Tensor) -> Tensor:
    """sum_i (x_i, 1) r_i', (d + 1, k) float64, of residuals in a block's layout; products are in their precision."""
    p, d, k = rows.numbers, rows.columns, rows.classes
    result = torch.empty(d + 1, k, dtype=torch.float64, device=residuals.device)
    if rows.one_logit:
        result[:d, 1] = _by_column(block, residuals)[:, 0]
        result[d, 1] = residuals.sum()
        torch.neg(result[:, 1], out=result[:, 0])
    elif not rows.row_major:
        result[:d] = _by_column(block, residuals)
        result[d] = residuals.sum(1)
    else:
        if block.divided is not None:
            result[:p] = block.divided.transposed_product(residuals)[:, :k]
        elif p >= _WIDE:
            result[:p] = torch.mm(residuals.T.contiguous(), columns_of(block, residuals.dtype))[:k].T
        elif p:
            result[:p] = torch.mm(columns_of(block, residuals.dtype).T, residuals)[:, :k]
        result[p:d] = by_level(rows, block, residuals)[:, :k]
        result[d] = result[p : p + rows.levels[0]].sum(0)  # every row has one level of the first category
    if not rows.intercept:
        result[d] = 0.0
    return result


def _by_column(block: PackedBlock, residuals: Tensor) -> Tensor:
    """The columns' transposed product with class-major residuals (k, n), (d, k)."""
    if block.divided is not None:
        return block.divided.transposed_product(residuals.T.contiguous())
    columns = columns_of(block, residuals.dtype)
    if residuals.dtype == torch.float32 and columns.shape[1] <= _NARROW and len(residuals) >= _TALL:
        return torch.mm(columns.T, residuals.T)
    return torch.mm(residuals, columns).T


def by_level(rows: Rows, block: PackedBlock, values: Tensor) -> Tensor:
    """Values (n, w) added up by the levels that their rows have, (levels, w)."""
    if not rows.row_major:
        return block.columns[:, rows.numbers :].T.to(values.dtype) @ values
    if block.one_hot:
        return block.one_hot[values.dtype] @ values
    return sums_by_code(block.codes, values, sum(rows.levels))


def probabilities(rows: Rows, scores: Tensor) -> Tensor:
    """Of logits in the layout of ``rows``, one a class; the logits' memory may be used for them."""
    if rows.one_logit:
        return torch.cat([torch.sigmoid(-scores), scores.sigmoid_()])
    return _softmax(scores, rows.class_dimension)


def mix_in_labels(probabilities: Tensor, labels: Tensor, mix: float) -> None:
    """Change class-major probabilities (k, n) to (1 - mix) p + mix y; labels (1, n)."""
    if mix:
        probabilities *= 1 - mix
        probabilities.scatter_add_(0, labels, probabilities.new_full((1, 1), mix).expand(labels.shape))


def class_variances(probabilities: Tensor, weights: Tensor | None) -> Tensor:
    """v p (1 - p), in either layout."""
    variances = probabilities * (1 - probabilities)
    return variances if weights is None else variances.mul_(weights.to(variances.dtype))


def with_constant(*columns: Tensor, constant: float = 1.0) -> Tensor:
    """Columns side by side, and one that is ``constant``: (x_i, 1), (n, d + 1)."""
    return torch.cat([*columns, columns[0].new_full((len(columns[0]), 1), constant)], 1)


def curvature_weights(rows: Rows, scores: Tensor) -> Tensor:
    """What ``change_of_probabilities`` needs of logits: p; of one logit p (1 - p). The logits' memory may be used."""
    if rows.one_logit:
        second = scores.sigmoid_()
        return second * (1 - second)
    return probabilities(rows, scores)


def change_of_probabilities(rows: Rows, weights: Tensor, change: Tensor) -> Tensor:
    """p * (u - p'u), how p moves where logits move by u, in the memory of u."""
    change *= weights
    if not rows.one_logit:
        change.addcmul_(weights, change.sum(rows.class_dimension, keepdim=True), value=-1)
    return change


def losses_and_residuals(rows: Rows, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy of every row in nats, (n, 1) or (1, n), and p - y in the layout of the logits, which it may use.

    Of one logit, with z turned so that the label asks for less of it: log(1 + e^z), and p - y of the second class. In
    float64, and of one logit, both keep all digits however near to 0 they are: where classes are told apart well, they
    are all that is left of the objective.
    """
    if not rows.one_logit:
        if scores.dtype == torch.float64:
            return _from_others(scores, labels, rows.class_dimension)
        losses, residuals = losses_and_probabilities(scores, labels, rows.class_dimension)
        return losses, _subtract_one_hot(rows, residuals, labels)
    turned = 1 - 2 * labels.to(scores.dtype)
    scores *= turned
    losses = scores.abs().neg_().exp_().log1p_()
    losses += scores.clamp(min=0.0)
    return losses, scores.sigmoid_().mul_(turned)


def _subtract_one_hot(rows: Rows, probabilities: Tensor, labels: Tensor) -> Tensor:
    minus_one = probabilities.new_full((1, 1), -1.0).expand(labels.shape)
    return probabilities.scatter_add_(rows.class_dimension, labels, minus_one)


def _softmax(scores: Tensor, dimension: int, in_place: bool = True) -> Tensor:
    if dimension == 1 and scores.dtype == torch.float32:
        return torch.softmax(scores, 1)
    result = scores if in_place else torch.empty_like(scores)
    largest = scores.amax(dimension, keepdim=True)
    if scores.dtype == torch.float64 or not _all_safe(largest):
        torch.sub(scores, largest, out=result).exp_()
    else:
        torch.exp(scores, out=result)
    result /= result.sum(dimension, keepdim=True)
    return result


def _all_safe(largest: Tensor) -> bool:
    """Whether softmax can do without taking a row's ``largest`` logit from all of them first.

    An accelerator takes it always: a look at its numbers costs more than the subtraction.
    """
    return largest.is_cpu and float(largest.abs().max()) <= _SAFE_LOGIT


def losses_and_probabilities(scores: Tensor, labels: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Of float32: losses of every row in nats, (n, 1) or (1, n), and its probabilities, in the layout of its block."""
    # Where a probability is too small to be trusted, the logits are needed again.
    probabilities = _softmax(scores, dimension, in_place=False)
    of_label = probabilities.gather(dimension, labels)
    unsure = None
    if float(of_label.min()) < _SMALLEST_TRUSTED:
        unsure = torch.nonzero(of_label.reshape(-1) < _SMALLEST_TRUSTED)[:, 0]
    losses = -of_label.log_()
    if unsure is not None:
        few, few_labels = (part.index_select(1 - dimension, unsure) for part in (scores, labels))
        exact = torch.log_softmax(few, dimension).gather(dimension, few_labels)
        losses.index_copy_(1 - dimension, unsure, -exact)
    return losses, probabilities


def _from_others(scores: Tensor, labels: Tensor, dimension: int) -> tuple[Tensor, Tensor]:
    """Losses and p - y in place, of the other classes' exponentials: 1 - p would lose the digits of a small loss."""
    scores -= scores.amax(dimension, keepdim=True)
    of_label = scores.gather(dimension, labels)
    residuals = scores.exp_().scatter_(dimension, labels, torch.zeros_like(of_label))
    others = residuals.sum(dimension, keepdim=True)
    above_one = others + of_label.expm1()  # what all exponentials together are above 1, the largest
    totals = above_one + 1
    residuals /= totals
    residuals.scatter_(dimension, labels, others.div_(totals).neg_())
    return above_one.log1p_().sub_(of_label), residuals
