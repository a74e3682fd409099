"""Principal components of vectors, and colours made of them: vectors alike have colours alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

REACH = 2.0  # standard deviations on either side of the mean that the range of a colour covers


def project(vectors: ArrayLike, weights: ArrayLike | None = None, *, count: int = 3) -> FloatArray:
    """Where each vector lies along the first principal components of them all.

    An axis has no direction of its own: each is turned so that its largest number is positive, whatever the linear
    algebra library gave.

    Args:
        vectors: ``(n, d)`` finite numbers, at least one row
        weights: ``(n,)`` how much each row counts in the mean and the axes, 0 or more and not all 0; default is alike
        count: how many components

    Returns:
        ``(n, count)``, the first component first; 0 for those that the vectors do not have
    """
    x = np.asarray(vectors, dtype=np.float64)
    share = _shares(weights, len(x))
    centred = x - share @ x
    _, lengths, axes = np.linalg.svd(np.sqrt(share)[:, None] * centred, full_matrices=False)
    there = lengths[:count] > 1e-9 * max(float(np.abs(x).max()), 1e-300)
    axes = axes[:count][there]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    found = np.zeros((len(x), count))
    found[:, : len(axes)] = centred @ (axes * np.sign(largest)).T
    return found


def colors(vectors: ArrayLike, weights: ArrayLike | None = None) -> FloatArray:
    """A colour for each vector: red, green and blue are its first three principal components.

    The middle of each is 0.5, and ``REACH`` standard deviations below and above it are 0 and 1; what lies farther out
    is cut off there.

    Args:
        vectors: ``(n, d)`` as :func:`project` takes them
        weights: ``(n,)`` as :func:`project` takes them

    Returns:
        ``(n, 3)`` in [0, 1]
    """
    places = project(vectors, weights)
    spread = np.sqrt(_shares(weights, len(places)) @ places**2)
    scaled = np.divide(places, 2 * REACH * spread, out=np.zeros_like(places), where=spread > 0)
    return np.clip(0.5 + scaled, 0, 1)


def _shares(weights: ArrayLike | None, count: int) -> FloatArray:
    given = np.ones(count) if weights is None else np.asarray(weights, dtype=np.float64)
    return given / given.sum()
