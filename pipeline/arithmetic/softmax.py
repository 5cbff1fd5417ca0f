"""Softmax and cross-entropy of logits in their own memory; reference/softmax.py defines them.

z (n, k), in any layout: rows may lie apart and classes side by side, or the other way round.
"""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import (
    INT64,
    aligned,
    require_below,
    require_place,
    require_real,
    require_shape,
    require_type,
)
from pipeline.arithmetic.compiled import address, checked, function, strides
from pipeline.arithmetic.reference import softmax as reference

Real = TypeVar("Real", np.float64, np.float32)


def softmax(z: NDArray[Real]) -> None:
    """Change logits to probabilities."""
    _require_logits(z)
    compiled = function("softmax", z.dtype)
    if compiled is None:
        z[:] = reference.softmax(z.T).T
    else:
        checked(compiled(*z.shape, address(z), *strides(z)))


def losses_and_residuals(z: NDArray[Real], labels: NDArray[np.int64]) -> NDArray[Real]:
    """Cross-entropy (n,) in nats, of labels (n,) below k; change the logits to p - y."""
    n, k = _require_logits(z)
    labels = _labels(labels, n, k)
    compiled = function("losses_and_residuals", z.dtype)
    if compiled is None:
        losses, residuals = reference.losses_and_residuals(z.T, labels)
        z[:] = residuals.T
        return losses
    losses = np.empty(len(z), dtype=z.dtype)
    checked(compiled(*z.shape, address(z), *strides(z), address(labels), address(losses)))
    return losses


def logistic_losses_and_residuals(z: NDArray[Real], labels: NDArray[np.int64]) -> NDArray[Real]:
    """The same of one logit (n,), the second class's less the first's; change it to p - y of the second class."""
    (n,) = z.shape
    require_real(z)
    require_place(z)
    labels = _labels(labels, n, 2)
    compiled = function("logistic_losses_and_residuals", z.dtype)
    if compiled is None or not z.flags.c_contiguous:
        losses, residuals = reference.logistic_losses_and_residuals(z, labels)
        z[:] = residuals
        return losses
    losses = np.empty_like(z)
    compiled(len(z), address(z), address(labels), address(losses))
    return losses


def change_of_probabilities(p: NDArray[Real], u: NDArray[Real]) -> None:
    """Change u (n, k), a change of the logits, to that of the probabilities p, which lie as u does: p * (u - p'u)."""
    _require_logits(u)
    p = aligned(p)
    require_type(u.dtype, p)
    require_shape(p, *u.shape)
    require_place(u, p)
    compiled = function("change_of_probabilities", u.dtype)
    if compiled is None or strides(p) != strides(u):
        u[:] = reference.change_of_probabilities(p.T, u.T).T
    else:
        checked(compiled(*u.shape, address(p), address(u), *strides(u)))


def _require_logits(z: NDArray[Any]) -> tuple[int, int]:
    n, k = z.shape
    require_real(z)
    require_place(z)
    if not k:
        raise ValueError("expected logits of a class, got none")
    return n, k


def _labels(labels: NDArray[np.int64], n: int, classes: int) -> NDArray[np.int64]:
    """In one piece, and checked."""
    require_type(INT64, labels)
    require_shape(labels, n)
    labels = aligned(np.ascontiguousarray(labels))
    require_below(classes, labels)
    return labels
