"""L2-normalised vectors and their cosine similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEGATIVE_WEIGHT = 0.5


def normalize(vectors: ArrayLike) -> NDArray[np.float32]:
    """Vectors of length 1.

    Args:
        vectors: ``(n, d)`` or ``(d,)``

    Returns:
        float32 of the same shape; a row that is all zeros or not finite becomes NaN, because it has no direction
    """
    x = np.asarray(vectors, dtype=np.float32)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = x / np.abs(x).max(axis=-1, keepdims=True, initial=0.0)  # so that squares do not overflow
        unit = scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
    unit[~np.isfinite(x).all(axis=-1)] = np.nan
    return unit


def usable(vectors: ArrayLike) -> NDArray[np.bool_]:
    """Whether each row of a ``(n, d)`` array has a direction: ``(n,)`` bool."""
    x = np.asarray(vectors)
    return np.isfinite(x).all(axis=1) & (x != 0).any(axis=1)


def combine(positives: ArrayLike, negatives: ArrayLike | None = None) -> NDArray[np.float32]:
    """One query vector out of several examples, as Rocchio's relevance feedback does it.

    The mean of the positives minus ``NEGATIVE_WEIGHT`` times the mean of the negatives, all of length 1, scaled to
    length 1 (J. J. Rocchio, "Relevance feedback in information retrieval", 1971).

    Args:
        positives: ``(p, d)`` vectors to be like
        negatives: ``(m, d)`` vectors not to be like

    Returns:
        ``(d,)`` float32 of length 1, or NaN where the examples cancel out
    """
    query = normalize(positives).mean(axis=0)
    if negatives is not None and len(np.asarray(negatives)):
        query = query - NEGATIVE_WEIGHT * normalize(negatives).mean(axis=0)
    return normalize(query)


def cosine(unit_vectors: NDArray[np.float32], unit_query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine similarity of ``(n, d)`` unit vectors to a ``(d,)`` unit query: ``(n,)`` float32 in [-1, 1]."""
    return np.clip(unit_vectors @ unit_query, -1.0, 1.0)


def similarity(unit_vectors: NDArray[np.float32], unit_query: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scores of a search: cosine similarity of ``(n, d)`` unit vectors to a ``(d,)`` one, ``(n,)`` in [-1, 1].

    Summed in float64 row by row and rounded once, so that a vector scores the same whatever else is looked at, and
    equal vectors score the same.
    """
    scores = np.einsum("ij,j->i", unit_vectors.astype(np.float64), unit_query.astype(np.float64))
    return np.clip(scores, -1, 1).astype(np.float32)
