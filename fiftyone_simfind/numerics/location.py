"""Whether what a search finds lies where the query lies, and is as large: neighbours beside a blind choice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import ranking

FloatArray = NDArray[np.float64]

NOTHING = -1  # the class of an object without one
BLOCK_SCORES = 2**22  # pairs looked at at a time: about 100 MiB with all that is computed of them
BINS = 200
LONGEST = 2**0.5  # between two places of an image
LARGEST = 6.0  # powers of two between two sizes, beyond which the histogram counts them together


class Pairs(NamedTuple):
    """How far queries lie from their nearest objects, and from all that could be found; row ``i`` is one query's.

    Attributes:
        queries: ``(q,)`` rows of the objects that were searched for
        place: ``(q, k)`` distances of the box centres of the nearest ``k``, nearest vector first
        size: ``(q, k)`` likewise ``|log2|`` of the ratio of the sizes
        place_chance: ``(q,)`` mean distance to all objects that could be found
        size_chance: ``(q,)`` likewise
        place_histogram: ``(BINS,)`` the share of distances to all that could be found, on equal bins up to ``LONGEST``,
            each query counting alike
        size_histogram: ``(BINS,)`` likewise, up to ``LARGEST``
    """

    queries: NDArray[np.intp]
    place: FloatArray
    size: FloatArray
    place_chance: FloatArray
    size_chance: FloatArray
    place_histogram: FloatArray
    size_histogram: FloatArray


def centres(boxes_xywh: ArrayLike) -> FloatArray:
    """The middle of each relative box as far as it lies inside the image, ``(n, 2)`` in [0, 1]."""
    inside = bx.clip(boxes_xywh)
    return inside[:, :2] + inside[:, 2:] / 2


def log_sizes(boxes_xywh: ArrayLike) -> FloatArray:
    """Binary logarithm of the square root of each relative box's area inside the image, ``(n,)``; -inf without one."""
    with np.errstate(divide="ignore"):
        return np.log2(bx.clip(boxes_xywh)[:, 2:].prod(axis=1)) / 2


def with_choice(classes: ArrayLike, groups: ArrayLike, least: int) -> NDArray[np.intp]:
    """The rows that have at least so many others of their class in other groups."""
    codes, _, counts = np.unique(np.asarray(classes), return_inverse=True, return_counts=True)
    pairs = np.column_stack([classes, groups])
    _, pair_of, together = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    others = counts[np.searchsorted(codes, classes)] - together[pair_of.reshape(-1)]
    return np.flatnonzero((np.asarray(classes) != NOTHING) & (others >= least))


def measure(
    vectors: NDArray[np.float32],
    boxes_xywh: ArrayLike,
    classes: ArrayLike,
    groups: ArrayLike,
    k: int,
    queries: ArrayLike,
    *,
    block: int | None = None,
) -> Pairs:
    """Distances in place and size, to the ``k`` nearest vectors and to all objects, of a query's class in other groups.

    Memory grows with ``block`` times the objects of the largest class, never with the square of all.

    Args:
        vectors: ``(n, d)`` float32 of length 1
        boxes_xywh: ``(n, 4)`` relative, with an area inside their image
        classes: ``(n,)`` int, -1 for an object without a class, which is never found
        groups: ``(n,)`` int, the image
        k: how many neighbours
        queries: rows to search for, each with at least ``k`` objects to find
        block: queries at a time; default keeps ``BLOCK_SCORES`` pairs
    """
    codes, own = np.asarray(classes), np.asarray(groups)
    places, sizes, asked = centres(boxes_xywh), log_sizes(boxes_xywh), np.asarray(queries, dtype=np.intp)
    found = _nothing(asked, k)
    for code in np.unique(codes[asked]):
        members, of_class = np.flatnonzero(codes == code), np.flatnonzero(codes[asked] == code)
        step = block or max(1, BLOCK_SCORES // len(members))
        for start in range(0, len(of_class), step):
            some = of_class[start : start + step]
            rows = asked[some]
            free = own[rows][:, None] != own[members]
            away = (
                np.linalg.norm(places[rows][:, None] - places[members], axis=2),
                np.abs(sizes[rows][:, None] - sizes[members]),
            )
            nearest = _nearest(vectors[rows] @ vectors[members].T, free, k)
            _keep(found, some, free, nearest, *away)
    return found


def _nothing(queries: NDArray[np.intp], k: int) -> Pairs:
    count = len(queries)
    near, chance = np.zeros((2, count, k)), np.zeros((2, count))
    return Pairs(queries, near[0], near[1], chance[0], chance[1], np.zeros(BINS), np.zeros(BINS))


def _nearest(scores: NDArray[np.float32], free: NDArray[np.bool_], k: int) -> NDArray[np.intp]:
    """The columns of the highest scores of each row, ``(b, k)``."""
    return np.array([ranking.rank(row, k=k, eligible=there) for row, there in zip(scores, free, strict=True)])


def _keep(
    found: Pairs,
    some: NDArray[np.intp],
    free: NDArray[np.bool_],
    nearest: NDArray[np.intp],
    place: FloatArray,
    size: FloatArray,
) -> None:
    """Take in what a block of queries has: ``(b, m)`` distances, and which of them count."""
    share = free / free.sum(axis=1, keepdims=True)
    found.place[some] = np.take_along_axis(place, nearest, axis=1)
    found.size[some] = np.take_along_axis(size, nearest, axis=1)
    found.place_chance[some] = (share * place).sum(axis=1)
    found.size_chance[some] = (share * size).sum(axis=1)
    weights = share / len(found.queries)
    found.place_histogram[:] += np.histogram(place, BINS, (0, LONGEST), weights=weights)[0]
    found.size_histogram[:] += np.histogram(size.clip(max=LARGEST), BINS, (0, LARGEST), weights=weights)[0]


def ratio_interval(
    observed: ArrayLike, chance: ArrayLike, groups: ArrayLike, *, draws: int = 2000, share: float = 0.95, seed: int = 51
) -> tuple[float, float, float]:
    """The ratio of two means, and between which values it lies.

    The interval is the bootstrap's: whole groups are drawn with replacement, because the queries of one image are not
    independent of each other (B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993).

    Args:
        observed: ``(q,)`` of each query
        chance: ``(q,)`` likewise
        groups: ``(q,)`` int, the image of each query
        draws: how often to draw
        share: of the draws that lie inside the interval
        seed: of the draws

    Returns:
        the ratio, and the interval's lower and upper end; NaN where ``chance`` is 0 throughout
    """
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.column_stack([np.bincount(places, values) for values in (observed, chance)])
    rng = np.random.default_rng(seed)
    count = len(sums)
    drawn = np.array([sums[rng.integers(0, count, count)].sum(axis=0) for _ in range(draws)])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = drawn[:, 0] / drawn[:, 1]
        low, high = np.quantile(ratios, [(1 - share) / 2, (1 + share) / 2])
        total = sums.sum(axis=0)
        return float(total[0] / total[1]), float(low), float(high)
