"""Two similarities of the same objects made into one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_SPREAD = 1e-6  # similarities that differ less than float32 can tell


def shares(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """How much each of two similarities counts in their mean, so that both tell the objects apart alike.

    One network's cosines may all lie between 0.8 and 0.9 and another's between 0.2 and 0.7; in their plain mean the
    second alone would decide. Each is therefore weighed by the inverse of its standard deviation over the objects,
    which orders them as the sum of standard scores does (the "Z-score" of S. Wu, "Data Fusion in Information
    Retrieval", 2012) and yet stays a mean, on the scale of both.

    Args:
        first: ``(n,)`` similarities; NaN for objects that have none
        second: ``(n,)`` the others' similarities of the same objects

    Returns:
        two weights with sum 1; halves where one of the two tells nothing apart
    """
    spreads = [_spread(first), _spread(second)]
    if min(spreads) < LEAST_SPREAD:
        return 0.5, 0.5
    share = spreads[1] / sum(spreads)
    return share, 1 - share


def fuse(first: ArrayLike, second: ArrayLike, weights: tuple[float, float]) -> NDArray[np.float64]:
    """The weighted mean of two similarities of the same objects.

    Args:
        first: ``(n,)`` similarities in [-1, 1]
        second: ``(n,)`` the others' similarities; NaN for objects that have none, which count as average ones
        weights: as :func:`shares` gives them

    Returns:
        ``(n,)`` in [-1, 1]; ``first`` where no object has a second similarity
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    known = ~np.isnan(b)
    if not known.any():
        return a
    return np.clip(weights[0] * a + weights[1] * np.where(known, b, b[known].mean()), -1.0, 1.0)


def _spread(values: ArrayLike) -> float:
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.std()) if len(known) else 0.0
