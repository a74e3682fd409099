"""What a search allows, and what it finds, whatever ranks the objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Rules:
    """Which objects may be found, and in which order.

    Attributes:
        within: view whose objects alone may be found; None for all
        labels: only objects of these classes; None for all
        not_labels: no objects of these classes
        not_ids: label ids that may not be found
        not_samples: sample ids whose objects may not be found
        min_score: no objects that score less
        one_per_image: only the best object of each sample
        reverse: least similar first
    """

    within: Any = None
    labels: frozenset[str] | None = None
    not_labels: frozenset[str] = frozenset()
    not_ids: frozenset[str] = frozenset()
    not_samples: frozenset[str] = frozenset()
    min_score: float | None = None
    one_per_image: bool = False
    reverse: bool = False


class Found(NamedTuple):
    """Objects, nearest first; row ``i`` of everything belongs to one of them.

    Attributes:
        label_ids: ids of the objects
        sample_ids: ids of the samples that hold them
        labels: class names, or None
        scores: ``(n,)`` cosine similarities
        vectors: ``(n, d)`` of length 1, as the index compares them
    """

    label_ids: list[str]
    sample_ids: list[str]
    labels: list[str | None]
    scores: NDArray[np.float32]
    vectors: NDArray[np.float32]

    def take(self, rows: Sequence[int]) -> Found:
        """Some of them, in another order."""
        ids, samples = [self.label_ids[row] for row in rows], [self.sample_ids[row] for row in rows]
        return Found(ids, samples, [self.labels[row] for row in rows], self.scores[rows], self.vectors[rows])


def commonest(labels: Iterable[str | None]) -> str | None:
    """The class that most have, of equally frequent ones the first; None where nothing has one."""
    counts = Counter(label for label in labels if label is not None)
    return max(counts, key=counts.__getitem__, default=None)
