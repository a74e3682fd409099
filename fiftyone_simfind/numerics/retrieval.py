"""How good rankings are: precision, recall, average precision, R-precision and CMC, for each query.

A ranking is known by its *hits*: ``hits[q, i]`` says whether the object at rank ``i + 1`` of query ``q`` is relevant,
which here means of the query's own class. ``relevant[q]``, written R, is how many objects are relevant to it at all.
Ranks that a query does not have, because fewer objects are eligible, are no hits.

The definitions are those of C. D. Manning, P. Raghavan and H. Schütze, "Introduction to Information Retrieval", 2008,
chapter 8, and of NIST's trec_eval; average precision at k is that of T. Weyand et al., "Google Landmarks Dataset v2",
2020; CMC that of H. Moon and P. J. Phillips, "Computational and performance aspects of PCA-based face-recognition
algorithms", 2001.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind.numerics import ranking

BLOCK_SCORES = 2**24  # similarities held at a time: 64 MiB

NOTHING = -1  # the class of an object without one
PADDING = -2  # the class, and NOTHING the row, of a neighbour that is not there

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Rankings(NamedTuple):
    """Which objects come first for each query; row ``i`` of everything belongs to one query.

    Attributes:
        queries: ``(q,)`` rows of the objects that are searched for
        relevant: ``(q,)`` how many objects are relevant to each
        neighbors: ``(q, depth)`` rows of the nearest objects, nearest first; -1 where there are no more
        scores: ``(q, depth)`` float32, the inner products with these; NaN where there are no more
        hits: ``(q, depth)`` bool, the neighbours that are relevant
        r_precision: ``(q,)`` float64, precision among the first R
    """

    queries: NDArray[np.intp]
    relevant: NDArray[np.intp]
    neighbors: NDArray[np.intp]
    scores: NDArray[np.float32]
    hits: BoolArray
    r_precision: FloatArray


def precision_at(hits: ArrayLike, k: int) -> FloatArray:
    """The share of the first ``k`` that is relevant, ``(q,)``.

    It divides by ``k`` also where fewer objects are eligible, as trec_eval does: what is not found is not relevant.
    """
    return np.asarray(hits)[:, :k].sum(axis=1) / k


def recall_at(hits: ArrayLike, relevant: ArrayLike, k: int) -> FloatArray:
    """The share of the relevant objects that is among the first ``k``, ``(q,)``; NaN where R is 0."""
    return _share(np.asarray(hits)[:, :k].sum(axis=1), np.asarray(relevant))


def average_precision_at(hits: ArrayLike, relevant: ArrayLike, k: int) -> FloatArray:
    """The sum of the precisions at those ranks up to ``k`` that are hits, over ``min(R, k)``: ``(q,)``.

    It is 1 exactly when the first ``min(R, k)`` are all relevant; NaN where R is 0. Its mean over queries is mAP@k.
    """
    first = np.asarray(hits)[:, :k]
    precisions = first.cumsum(axis=1) / np.arange(1, first.shape[1] + 1)
    return _share((precisions * first).sum(axis=1), np.minimum(relevant, k))


def first_hits(hits: ArrayLike) -> NDArray[np.intp]:
    """The rank of the first relevant object, ``(q,)`` from 1; 0 where none is among the ranks that are known."""
    found = np.asarray(hits, dtype=bool)
    if not found.shape[1]:
        return np.zeros(len(found), dtype=np.intp)
    return np.where(found.any(axis=1), found.argmax(axis=1) + 1, 0)


def found_at(hits: ArrayLike, k: int) -> BoolArray:
    """Whether a relevant object is among the first ``k``, ``(q,)``; its mean over queries is CMC@k."""
    return first_hits(np.asarray(hits)[:, :k]) > 0


def _share(part: NDArray, whole: NDArray) -> FloatArray:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def relevant_counts(classes: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.intp]:
    """How many objects are relevant to each, if it is searched for: ``(n,)``.

    Args:
        classes: ``(n,)`` int, -1 for an object without a class, to which nothing is relevant
        groups: ``(n,)`` int; objects of its own group are not searched. Default: the object itself is not
    """
    codes = np.asarray(classes)
    alike = _sizes(codes[:, None])
    together = _sizes(np.column_stack([codes, _groups(groups, len(codes))]))
    return np.where(codes == NOTHING, 0, alike - together)


def _sizes(keys: NDArray) -> NDArray[np.intp]:
    """How often the key of each row occurs: ``(n, m)`` to ``(n,)``."""
    _, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    return counts[inverse.reshape(-1)]


def _groups(groups: ArrayLike | None, count: int) -> NDArray:
    return np.arange(count) if groups is None else np.asarray(groups)


def rank_all(
    vectors: NDArray[np.float32],
    classes: ArrayLike,
    *,
    depth: int,
    groups: ArrayLike | None = None,
    queries: ArrayLike | None = None,
    block: int | None = None,
    advance: Callable[[int], object] | None = None,
) -> Rankings:
    """Search for each object among all others, by inner product.

    Equal scores keep the objects' order. The scores are float32, whose last bit may depend on the linear algebra
    library; memory grows with ``block * n``, never with ``n * n``.

    Args:
        vectors: ``(n, d)`` float32; of length 1 for cosine similarity
        classes: ``(n,)`` int, -1 for an object without a class, which is relevant to none but can stand before others
        depth: how many neighbours to keep
        groups: ``(n,)`` int, such as the image; nothing of the query's group is found. Default: all but itself is
        queries: rows to search for; default are all to which any object is relevant
        block: queries at a time; default keeps ``BLOCK_SCORES`` similarities
        advance: is told after each block how many queries are done
    """
    codes, own = np.asarray(classes), _groups(groups, len(vectors))
    counts = relevant_counts(codes, groups)
    rows = np.flatnonzero(counts) if queries is None else np.asarray(queries, dtype=np.intp)
    relevant = counts[rows]
    neighbors = np.full((len(rows), depth), NOTHING, dtype=np.intp)
    found_scores = np.full(neighbors.shape, np.nan, dtype=np.float32)
    r_hits = np.zeros(len(rows), dtype=np.intp)
    step = block or max(1, BLOCK_SCORES // max(len(vectors), 1))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        scores = vectors[some] @ vectors.T
        for place, row in enumerate(some, start):
            deep = max(depth, relevant[place])
            ranked = ranking.rank(scores[place - start], k=deep, eligible=own != own[row])
            r_hits[place] = (codes[ranked[: relevant[place]]] == codes[row]).sum()
            neighbors[place, : min(depth, len(ranked))] = ranked[:depth]
            found_scores[place, : min(depth, len(ranked))] = scores[place - start][ranked[:depth]]
        if advance is not None:
            advance(len(some))
    hits = (neighbors != NOTHING) & (codes[neighbors] == codes[rows][:, None]) & (codes[rows] != NOTHING)[:, None]
    return Rankings(rows, relevant, neighbors, found_scores, hits, _share(r_hits, relevant))


def class_shares(query_classes: ArrayLike, neighbor_classes: ArrayLike, count: int) -> FloatArray:
    """For the queries of each class, the share of their neighbours that is of each class.

    Args:
        query_classes: ``(q,)`` int from 0 to ``count - 1``
        neighbor_classes: ``(q, k)`` int; ``NOTHING`` is a neighbour without a class, ``PADDING`` one that is not there
        count: how many classes there are

    Returns:
        ``(count, count + 1)``; the last column is for neighbours without a class, and every row sums to 1, or is NaN
        for a class without queries
    """
    found = np.asarray(neighbor_classes)
    rows = np.broadcast_to(np.asarray(query_classes)[:, None], found.shape)
    columns = np.where(found == NOTHING, count, found)
    cells = (rows * (count + 1) + columns)[found != PADDING]
    table = np.bincount(cells, minlength=count * (count + 1)).reshape(count, count + 1)
    with np.errstate(invalid="ignore"):
        return table / table.sum(axis=1, keepdims=True)


def compare_rows(
    vectors: NDArray[np.float32], others: NDArray[np.float32], rows: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How well vectors are told apart from all but their own counterpart.

    Args:
        vectors: ``(m, d)`` unit vectors
        others: ``(n, d)`` unit vectors, at least two
        rows: ``(m,)`` the row of ``others`` that belongs to each vector

    Returns:
        ``(m,)`` each: the cosine to its own row, the mean cosine to all other rows, and whether its own row is the
        nearest: 1 or 0, and ``1 / t`` where ``t`` rows are equally near, which is what a blind choice among them earns
    """
    own_rows, count = np.asarray(rows, dtype=np.intp), len(others)
    same, other, nearest = (np.empty(len(vectors)) for _ in range(3))
    step = max(1, BLOCK_SCORES // count)
    for start in range(0, len(vectors), step):
        some = slice(start, start + step)
        scores = vectors[some] @ others.T
        own = np.take_along_axis(scores, own_rows[some, None], axis=1)
        same[some] = own[:, 0]
        other[some] = (scores.sum(axis=1, dtype=np.float64) - own[:, 0]) / (count - 1)
        nearest[some] = np.where((scores > own).any(axis=1), 0.0, 1 / (scores == own).sum(axis=1))
    return same, other, nearest
