"""Vectors in 8 bits a number, and how far each of them then is from itself."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVELS = 127


class Codes(NamedTuple):
    """Rows of whole numbers; a row times its scale is nearly the vector.

    Attributes:
        values: ``(n, d)`` int8
        scales: ``(n,)`` float32
        errors: ``(n,)`` float32, the distance of each vector from its row times its scale, rounded up. By Cauchy and
            Schwarz a dot product with a vector of length 1 is off by this much at most
    """

    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    errors: NDArray[np.float32]


def encode(vectors: NDArray[np.float32]) -> Codes:
    """The codes of ``(n, d)`` vectors, each scaled by its own largest number."""
    scales = np.maximum(np.abs(vectors).max(axis=1, initial=0.0) / LEVELS, np.finfo(np.float32).tiny)
    scales = scales.astype(np.float32)
    values = np.rint(vectors / scales[:, None])
    rest = vectors - values * scales[:, None]
    errors = np.sqrt(np.einsum("ij,ij->i", rest, rest)) * 1.0001 + 1e-6
    return Codes(values.astype(np.int8), scales, errors.astype(np.float32))


def bound(errors: NDArray[np.float32], others: NDArray[np.float32] | np.float32) -> NDArray[np.float32]:
    """How far the dot product of the codes of two vectors of length 1 can be from their own, given the errors of both.

    With ``x = c + r`` and ``y = e + s`` it is ``x.s + r.y - r.s`` off.
    """
    return errors + others + errors * others
