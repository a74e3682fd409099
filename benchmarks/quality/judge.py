"""P@1, P@5 and AP@100 of rankings, worked out without the package's own measures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import cosine_similarity

TOP = 100  # ranks that count
BLOCK = 512  # queries at a time

Vectors = NDArray[np.floating]
Figures = NDArray[np.float64]


def best(scores: Vectors, eligible: NDArray[np.bool_], count: int) -> NDArray[np.intp]:
    """The rows of the ``count`` highest scores ``(n,)`` that are eligible, highest first."""
    rows = np.flatnonzero(eligible)
    known = scores[rows]
    if len(rows) > count:
        kept = np.sort(np.argpartition(-known, count)[:count])
        rows, known = rows[kept], known[kept]
    return rows[np.argsort(-known, kind="stable")]


def figures(hits: NDArray[np.bool_], relevant: int) -> tuple[float, float, float]:
    """P@1, P@5 and AP@100, divided by min(R, 100), of one ranking: ``(m,)``, nearest first."""
    hit = hits[:TOP]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    return float(hit[0]), hit[:5].sum() / 5, float((precision * hit).sum() / min(relevant, TOP))


def judge(
    vectors: Vectors, classes: NDArray, images: NDArray, *, queries: Vectors | None = None, favour: float = 0.0
) -> Figures:
    """The figures of a search for every object among those of the other images, by cosine.

    Args:
        vectors: ``(n, d)``
        classes: ``(n,)`` what makes two objects alike
        images: ``(n,)`` the number of the object's image
        queries: ``(n, d)`` what to search for in place of the objects' own vectors
        favour: added to the scores of what is right, to see what an order of ties may change

    Returns:
        ``(n, 3)``: P@1, P@5 and AP@100; NaN for an object to which nothing is relevant
    """
    sought = np.asarray(vectors if queries is None else queries, np.float64)
    known = np.asarray(vectors, np.float64)
    found = np.full((len(classes), 3), np.nan)
    for start in range(0, len(classes), BLOCK):
        scores = cosine_similarity(sought[start : start + BLOCK], known)
        for query, row in enumerate(scores, start):
            other, alike = images != images[query], classes == classes[query]
            relevant = int((other & alike).sum())
            if relevant:
                order = best(row + favour * alike, other, TOP)
                found[query] = figures(alike[order], relevant)
    return found


def means(found: Figures) -> NDArray[np.float64]:
    """P@1, P@5 and mAP@100 over the queries that have something to find."""
    return np.nanmean(found, axis=0)


def within(value: float, one: float, other: float, tolerance: float = 1e-6) -> bool:
    """Whether a value lies between two others, but for rounding."""
    return min(one, other) - tolerance <= value <= max(one, other) + tolerance
