"""What a vector was made of, in one whole number: an object whose box or model has changed since can be told."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

BOX_BITS = 32
MODEL_BITS = 20  # with those of the box 52: exact in the doubles of a web page, too


def stamps(boxes: ArrayLike, model: str) -> NDArray[np.int64]:
    """The stamp of each box as one model sees it.

    Args:
        boxes: ``(n, 4)`` relative ``[x, y, width, height]``
        model: name of the model

    Returns:
        ``(n,)`` int64, never 0
    """
    rows = np.asarray(boxes, np.float64).reshape(-1, 4) + 0.0  # 0 and -0 are one place
    sums = [max(zlib.crc32(row.tobytes()), 1) for row in np.ascontiguousarray(rows)]
    return np.array(sums, np.int64) | (model_bits(model) << BOX_BITS)


def same_box(left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether stamps are of the same box, whatever the model."""
    mask = (1 << BOX_BITS) - 1
    return (left & mask) == (right & mask)


def model_bits(model: str) -> int:
    """What a stamp keeps of the model's name."""
    return zlib.crc32(model.encode()) & ((1 << MODEL_BITS) - 1)


def model_of(some: NDArray[np.int64]) -> NDArray[np.int64]:
    """The :func:`model_bits` of stamps."""
    return some >> BOX_BITS
