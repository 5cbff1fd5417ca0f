"""Products of theta with one packed block, on one thread: logits and the transposed product.

Shapes and the two layouts are those of data/layout.py.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.data.block import PROCESSOR
from pipeline.numerics.data.layout import PackedBlock, Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import sums_by_code

_PADDING_LOGIT = -1e30

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
        with torch.inference_mode(False):  # whoever uses it next may be outside of that mode
            memory = torch.empty(size, dtype=precision, device=device)
        setattr(_buffers, key, memory)
    return memory[:size].view(*shape)


def logits(block: PackedBlock, values: Operands, precision: torch.dtype) -> Tensor:
    """W x + b in the block's layout."""
    if values.levels is None:
        assert values.bias is not None
        if block.divided is not None:
            return block.divided.product(values.numbers.T.contiguous()).T.contiguous().add_(values.bias)
        result = values.bias.expand(-1, block.rows).clone(memory_format=torch.contiguous_format)
        return portable.add_matmul(result, values.numbers, columns_of(block, precision).T)
    result = portable.levels_sum(block.codes, values.levels)
    if block.divided is not None:
        result += block.divided.product(values.numbers)
    elif len(values.numbers):
        portable.add_matmul(result, columns_of(block, precision), values.numbers)
    return result


def transposed_product(rows: Rows, block: PackedBlock, residuals: Tensor) -> Tensor:
    """sum_i (x_i, 1) r_i', (d + 1, k) float64, of residuals in a block's layout; products are in their precision."""
    p, d, k = rows.numbers, rows.columns, rows.classes
    result = torch.empty(d + 1, k, dtype=torch.float64, device=residuals.device)
    if rows.one_logit:
        result[:d, 1] = _by_column(block, residuals)[:, 0]
        result[d, 1] = portable.long_total(residuals)
        torch.neg(result[:, 1], out=result[:, 0])
    elif not rows.row_major:
        result[:d] = _by_column(block, residuals)
        result[d] = portable.long_total(residuals, 1)
    else:
        if block.divided is not None:
            result[:p] = block.divided.transposed_product(residuals)[:, :k]
        elif p:
            result[:p] = portable.long_matmul(columns_of(block, residuals.dtype).T, residuals)[:, :k]
        result[p:d] = by_level(rows, block, residuals)[:, :k]
        result[d] = portable.total(result[p : p + rows.levels[0]], 0)  # every row has one level of the first category
    if not rows.intercept:
        result[d] = 0.0
    return result


def _by_column(block: PackedBlock, residuals: Tensor) -> Tensor:
    """The columns' transposed product with class-major residuals (k, n), (d, k)."""
    if block.divided is not None:
        return block.divided.transposed_product(residuals.T.contiguous())
    return portable.long_matmul(residuals, columns_of(block, residuals.dtype)).T


def by_level(rows: Rows, block: PackedBlock, values: Tensor) -> Tensor:
    """Values (n, w) added up by the levels that their rows have, (levels, w) float64."""
    if not rows.row_major:
        return portable.long_matmul(block.columns[:, rows.numbers :].T.to(values.dtype), values)
    return sum_by_code(block.codes, values, sum(rows.levels))


def sum_by_code(codes: Tensor, values: Tensor, count: int) -> Tensor:
    """Rows of values (n, w) added up by each column of codes (n, c) below ``count``, (count, w) float64."""
    if not codes.is_cpu:
        return sums_by_code(codes, values, count)
    return portable.sum_by_code(codes.to(torch.int32).contiguous(), values, count)


def with_constant(*columns: Tensor, constant: float = 1.0) -> Tensor:
    """Columns side by side, and one that is ``constant``: (x_i, 1), (n, d + 1)."""
    return torch.cat([*columns, columns[0].new_full((len(columns[0]), 1), constant)], 1)
