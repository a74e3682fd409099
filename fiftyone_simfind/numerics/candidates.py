"""The best candidates of many rows at once, as tiles of scores come in.

A candidate's score and row are one whole number, its *key*, such that the best candidates have the largest keys: those
with larger scores, and among equal ones those with smaller row numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SPARSE = 16  # a tile of which more than one score in so many is better than what was kept is taken in parts,
LEAF = 256  # down to so many candidates
EMPTY = np.iinfo(np.int64).min
LEAST = EMPTY + 2**32  # smaller keys are of neighbours that are not there

Rows = NDArray[np.intp]
Keys = NDArray[np.int64]
Scores = NDArray[np.float32]


class Best:
    """The best candidates of some rows so far, ``keys (m, width)``, and the ``floor (m,)`` that others must beat.

    Places that are only empty for the moment have keys of their own, below ``LEAST``: partitioning is slow where many
    are equal.
    """

    def __init__(self, floor: Scores, width: int):
        self.keys: Keys = np.full((len(floor), width), EMPTY)
        self.floor = floor

    def offer(self, targets: slice, own: Rows, scores: Scores, candidates: Rows, others: Rows) -> None:
        """Take in what is better among a tile of scores.

        Args:
            targets: which rows of ``keys`` are offered something
            own: ``(a,)`` their groups
            scores: ``(a, b)``, or the transpose of such an array
            candidates: ``(b,)`` row numbers
            others: ``(b,)`` their groups
        """
        across = scores.strides[0] < scores.strides[1]
        good = np.greater(scores.T, self.floor[targets]) if across else scores > self.floor[targets, None]
        flat = np.flatnonzero(good)
        if len(flat) * SPARSE > scores.size:
            self._offer_in_parts(targets, own, scores, candidates, others)
            return
        first, second = np.divmod(flat, good.shape[1])
        target, candidate = (second, first) if across else (first, second)
        apart = own[target] != others[candidate]
        target, candidate = target[apart], candidate[apart]
        keys = keys_of(scores[target, candidate], candidates[candidate])
        order = np.argsort(target, kind="stable") if across else slice(None)
        self._merge(targets.start + target[order], keys[order])

    def _offer_in_parts(self, targets: slice, own: Rows, scores: Scores, candidates: Rows, others: Rows) -> None:
        """Take in a tile in which much is better, so that the floor rises before all of it is looked at."""
        if len(candidates) <= LEAF:
            self._sort_out(targets, own, scores, candidates, others)
            return
        half = len(candidates) // 2
        for part in (slice(half), slice(half, None)):
            self.offer(targets, own, scores[:, part], candidates[part], others[part])

    def _merge(self, targets: Rows, keys: Keys) -> None:
        """Take in single candidates: ``targets (c,)`` ascending."""
        if not len(targets):
            return
        starts = np.flatnonzero(np.diff(targets, prepend=-1))
        counts = np.diff(starts, append=len(targets))
        some, width = targets[starts], self.keys.shape[1]
        wide = np.tile(EMPTY + np.arange(width + counts.max()), (len(some), 1))
        wide[:, :width] = self.keys[some]
        wide[np.repeat(np.arange(len(some)), counts), width + np.arange(len(keys)) - np.repeat(starts, counts)] = keys
        self._keep(some, wide)

    def _sort_out(self, targets: slice, own: Rows, scores: Scores, candidates: Rows, others: Rows) -> None:
        """Take in a small tile as a whole."""
        good = (scores > self.floor[targets, None]) & (own[:, None] != others)
        if good.any():
            keys = np.where(good, keys_of(scores, candidates), EMPTY + np.arange(len(candidates)))
            self._keep(targets, np.concatenate([self.keys[targets], keys], axis=1))

    def _keep(self, targets: Any, wide: Keys) -> None:
        width = self.keys.shape[1]
        wide.partition(wide.shape[1] - width, axis=1)
        self.keys[targets] = wide[:, -width:]
        worst = wide[:, -width]
        self.floor[targets] = np.where(worst >= LEAST, scores_of(worst), self.floor[targets])


def keys_of(scores: Scores, rows: Rows) -> Keys:
    """One number for a score and a row: larger for a larger score, and for a smaller row of equal ones."""
    bits = (scores + np.float32(0)).view(np.int32)  # the sum makes -0.0 equal to 0.0
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return (ascending.astype(np.int64) << 32) | (0xFFFFFFFF - rows)


def rows_of(keys: Keys) -> Rows:
    """The row numbers in some keys."""
    return 0xFFFFFFFF - (keys & 0xFFFFFFFF)


def scores_of(keys: Keys) -> Scores:
    """The scores in some keys."""
    ascending = (keys >> 32).astype(np.int32)
    return (ascending ^ ((ascending >> 31) & 0x7FFFFFFF)).view(np.float32)
