"""Products of theta with one packed block, on one thread: logits and the transposed product.

Shapes and the two layouts are those of data/layout.py. Figures in comments are microseconds for 8,192 rows on one
thread.
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

# Numbers a row from which row-major products are made transposed, classes along the small factor's rows. 4,914 rows
# of 1,455 numbers, 8 classes: 14 in place of 45 milliseconds for W x and the transposed product together.
_WIDE = 64

# Columns up to which, and classes from which, class-major residuals are the right factor. 256 rows of 10 columns, 5,000
# classes: 1.2 in place of 2.9 milliseconds; of 28 columns, or of 10 classes, it is the slower order.
_NARROW, _TALL = 16, 32

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
    """The place of each row's first code; without it embedding_bag would count anew in every pass (60 of 1,000)."""
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


def with_constant(*columns: Tensor, constant: float = 1.0) -> Tensor:
    """Columns side by side, and one that is ``constant``: (x_i, 1), (n, d + 1)."""
    return torch.cat([*columns, columns[0].new_full((len(columns[0]), 1), constant)], 1)
