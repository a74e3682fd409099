"""Which rows of a score list come first, under the rules of a search."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def rank(
    scores: ArrayLike,
    *,
    k: int,
    eligible: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    min_score: float | None = None,
    reverse: bool = False,
) -> NDArray[np.intp]:
    """The rows with the highest scores, best first.

    Equal scores keep their row order, so the same input always gives the same ranking. NaN scores never appear.

    Args:
        scores: ``(n,)`` similarities
        k: at most this many rows
        eligible: ``(n,)`` bool, the rows that may appear at all
        groups: ``(n,)`` keys of which each may appear once, with its best row
        min_score: leave out rows that score less
        reverse: lowest scores first

    Returns:
        at most ``k`` row numbers
    """
    values = np.asarray(scores)
    keep = ~np.isnan(values)
    if eligible is not None:
        keep &= np.asarray(eligible, dtype=bool)
    if min_score is not None:
        keep &= values >= min_score
    rows = np.flatnonzero(keep)
    costs = values[rows] if reverse else -values[rows]
    if groups is None:
        rows, costs = _nearest(rows, costs, k)
    rows = rows[np.argsort(costs, kind="stable")]
    if groups is not None:
        rows = _first_of_each(rows, np.asarray(groups)[rows])
    return rows[:k]


def _nearest(rows: NDArray[np.intp], costs: NDArray, k: int) -> tuple[NDArray[np.intp], NDArray]:
    """The rows that can be among the ``k`` cheapest, ties of the last one included, in row order."""
    if k >= len(rows):
        return rows, costs
    if k <= 0:
        return rows[:0], costs[:0]
    within = costs <= np.partition(costs, k - 1)[k - 1]
    return rows[within], costs[within]


def _first_of_each(rows: NDArray[np.intp], keys: NDArray) -> NDArray[np.intp]:
    _, first = np.unique(keys, return_index=True)
    return rows[np.sort(first)]
