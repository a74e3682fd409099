"""The k nearest rows of every row of a matrix, exactly, at about the speed of the matrix product.

The matrix is cut into tiles. A product of two tiles serves both of them, so that half of the products are enough, and a
row looks only at those scores of a tile that beat the worst it has kept so far: after the first tiles these are few.

The products are float32. A few more neighbours than asked for are kept, and the scores of those are computed again in
float64. Where rounding could still hide a nearer row, as it can when many rows are about equally near, all scores of
the row are computed again. So the result depends neither on the tiles nor on the linear algebra library.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind.numerics.candidates import EMPTY, LEAST, Best, Keys, Rows, Scores, keys_of, rows_of, scores_of

SCOPES = ("all", "same_class", "other_classes")
NOTHING = -1  # the class of an object without one, and the row of a neighbour that is not there
BUDGET = 2**26  # bytes that a step may take beside the result: 64 MiB
WORKERS = os.cpu_count() or 1
SLACK = 4  # neighbours kept beyond k, so that rounding seldom leaves a doubt


def nearest(
    vectors: NDArray[np.float32],
    k: int,
    *,
    scope: str = "all",
    classes: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    rows: ArrayLike | None = None,
    min_score: float | None = None,
    block: int | None = None,
    advance: Callable[[int], object] | None = None,
) -> tuple[NDArray[np.int32], Scores]:
    """The ``k`` nearest rows of each row and their scores, nearest first: two arrays, ``(m, k)`` each.

    A score is the inner product in float64, rounded to float32 and clipped to [-1, 1]. Equal scores come in the order
    of the rows. Memory is about 40 bytes for each of the ``m * k`` neighbours, the result included, and twice
    ``BUDGET``; of vectors in a file only the rows at hand are read. Its time is half that of ``vectors @ vectors.T``
    and one look at each score; where very many rows are about equally near, that of the product in float64 is added.

    Args:
        vectors: ``(n, d)`` float32 of length 1, may be a ``numpy.memmap``
        k: how many neighbours
        scope: ``"all"``, or only rows of ``"same_class"`` or ``"other_classes"``; with these two a row without a class
            has no neighbours, but it is of another class than all others
        classes: ``(n,)`` int, -1 for a row without a class; needed unless ``scope`` is ``"all"``
        groups: ``(n,)`` int, such as the image: nothing of the row's own group is found. Default: all but itself is
        rows: ``(m,)`` the rows that take part, each once; default are all
        min_score: leave out neighbours that score less
        block: rows of a tile; default is what ``BUDGET`` allows
        advance: is told after each tile how many of the ``m * m`` pairs are done

    Returns:
        the row numbers, int32, and the scores, float32; -1 and NaN where there are fewer than ``k``
    """
    if scope not in SCOPES:
        raise ValueError(f'scope="{scope}" must be one of {SCOPES}')
    if scope != "all" and classes is None:
        raise ValueError(f'scope="{scope}" needs classes')
    keys = _Search(vectors, scope, classes, groups, rows, min_score, block).run(k, advance)
    scores = scores_of(keys)
    found = keys >= LEAST
    if min_score is not None:
        found &= scores >= min_score
    return np.where(found, rows_of(keys), NOTHING).astype(np.int32), np.where(found, scores, np.float32(np.nan))


class _Search:
    """What is searched among, and by which rules."""

    def __init__(
        self,
        vectors: NDArray[np.float32],
        scope: str,
        classes: ArrayLike | None,
        groups: ArrayLike | None,
        rows: ArrayLike | None,
        min_score: float | None,
        block: int | None,
    ):
        count, dim = vectors.shape
        self.vectors, self.scope = vectors, scope
        self.rows: Rows = np.arange(count) if rows is None else np.asarray(rows, dtype=np.intp)
        self.classes = np.zeros(count, int) if scope == "all" else np.asarray(classes)
        self.groups = np.arange(count) if groups is None else np.asarray(groups)
        # What d products and their sum in float32 can be wrong by, for vectors of length 1.
        self.doubt = (dim + 4) * 2.0**-24
        self.lowest = -np.inf if min_score is None else min_score - 2 * self.doubt
        self.block = block or int((BUDGET / 16) ** 0.5)

    def run(self, k: int, advance: Callable[[int], object] | None) -> Keys:
        """The keys of the neighbours, ``(m, k)``, best first."""
        # By class, so that the tiles which need not be looked at lie together.
        order = np.argsort(self.classes[self.rows], kind="stable")
        rows = self.rows[order]
        best = self._nothing_yet(rows, min(k + SLACK, len(rows)))
        with ThreadPoolExecutor(WORKERS) as pool:
            for here, there, scores in self._tiles(rows, advance):
                jobs = self._jobs(rows, here, there, scores)
                if here != there:
                    jobs += self._jobs(rows, there, here, scores.T)
                list(pool.map(lambda job: best.offer(*job), jobs))
        kept = self._settle(rows, best.keys)
        unsure = np.flatnonzero(self._unsure(kept, best.floor, k))
        for start in range(0, len(unsure), self.block):
            some = unsure[start : start + self.block]
            kept[some, :k] = self._settle(rows[some], self._in_float64(rows[some], k))
        keys = np.full((len(rows), k), EMPTY)
        keys[order, : kept.shape[1]] = kept[:, :k]
        return keys

    def _jobs(self, rows: Rows, targets: slice, others: slice, scores: Scores) -> list[tuple]:
        """What :meth:`Best.offer` is to be told of a tile, in parts that threads can take in at the same time."""
        step = -(-(targets.stop - targets.start) // max(1, WORKERS // 2))
        candidates = rows[others]
        jobs = []
        for start in range(targets.start, targets.stop, step):
            some = slice(start, min(start + step, targets.stop))
            part = scores[start - targets.start : some.stop - targets.start]
            jobs.append((some, self.groups[rows[some]], part, candidates, self.groups[candidates]))
        return jobs

    def _nothing_yet(self, rows: Rows, width: int) -> Best:
        floor = np.full(len(rows), self.lowest, dtype=np.float32)
        if self.scope != "all":
            floor[self.classes[rows] == NOTHING] = np.inf
        return Best(floor, width)

    def _tiles(
        self, rows: Rows, advance: Callable[[int], object] | None
    ) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
        """The scores of all pairs, one way round; those of rows close by come first, because they are often alike."""
        places = [slice(start, min(start + self.block, len(rows))) for start in range(0, len(rows), self.block)]
        buffer = np.empty(min(self.block, len(rows)) ** 2, dtype=np.float32)
        for distance in range(len(places)):
            for here, there in zip(places, places[distance:], strict=False):
                one, other = rows[here], rows[there]
                out = buffer[: len(one) * len(other)].reshape(len(one), len(other))
                scores = self._scores_of(one, other, out)
                if scores is not None:
                    yield here, there, scores
                if advance is not None:
                    advance(out.size * (1 + (here != there)))

    def _scores_of(self, one: Rows, other: Rows, out: Scores | None) -> Scores | None:
        """``(a, b)`` scores, -inf where the scope forbids the pair; None where it forbids all.

        They are computed in float32 into an array, or in float64 where none is given.
        """
        a, b = self.classes[one], self.classes[other]
        disjoint = a.max() < b.min() or b.max() < a.min()
        same = a.min() == a.max() == b.min() == b.max()
        if self.scope == "same_class" and (disjoint or a.max() == NOTHING):
            return None
        if self.scope == "other_classes" and same:
            return None
        x, y = self._take(one), self._take(other).T
        scores = _rounded(x.astype(np.float64) @ y.astype(np.float64)) if out is None else np.matmul(x, y, out=out)
        if self.scope != "all" and not disjoint and not same:
            scores[(a[:, None] == b) == (self.scope == "other_classes")] = -np.inf
        return scores

    def _take(self, rows: Rows) -> NDArray[np.float32]:
        """The vectors of some rows, without a copy where they lie in a row."""
        first = rows[0]
        if np.array_equal(rows, np.arange(first, first + len(rows))):
            return self.vectors[first : first + len(rows)]
        return self.vectors[rows]

    def _settle(self, rows: Rows, keys: Keys) -> Keys:
        """The same candidates with the scores that count, best first, in the same memory."""
        step = max(1, BUDGET // (16 * (keys.shape[1] + 1) * max(1, self.vectors.shape[1])))
        for start in range(0, len(rows), step):
            some = slice(start, start + step)
            there = keys[some] >= LEAST
            candidates = np.where(there, rows_of(keys[some]), 0)
            own = self.vectors[rows[some]].astype(np.float64)
            scores = np.einsum("ij,ikj->ik", own, self.vectors[candidates].astype(np.float64))
            settled = np.where(there, keys_of(_rounded(scores), candidates), EMPTY)
            keys[some] = np.sort(settled, axis=1)[:, ::-1]
        return keys

    def _unsure(self, kept: Keys, floor: Scores, k: int) -> NDArray[np.bool_]:
        """Whether rounding may have hidden a row as near as the ``k``-th, ``(m,)`` bool."""
        width = kept.shape[1]
        if width <= k:
            return np.zeros(len(kept), dtype=bool)
        return (kept[:, -1] >= LEAST) & (scores_of(kept[:, k - 1]) <= floor.astype(np.float64) + self.doubt)

    def _in_float64(self, rows: Rows, k: int) -> Keys:
        """The candidates of some rows, ``(m, k)``, by products in float64.

        The others come in ascending order, so that a later one which is only as near never has to be kept.
        """
        best = self._nothing_yet(rows, k)
        others = np.sort(self.rows)
        if self.scope == "same_class":
            others = others[np.isin(self.classes[others], self.classes[rows])]
        for start in range(0, len(others), self.block):
            some = others[start : start + self.block]
            scores = self._scores_of(rows, some, None)
            if scores is not None:
                best.offer(slice(0, len(rows)), self.groups[rows], scores, some, self.groups[some])
        return best.keys


def _rounded(scores: NDArray[np.float64]) -> Scores:
    return np.clip(scores.astype(np.float32), -1.0, 1.0)
