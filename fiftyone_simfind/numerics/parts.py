"""The parts that a vector is made of, and how much each of them counts in a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import vectors as vx


class Part(NamedTuple):
    """A run ``[start, stop)`` of a vector's numbers; several runs may bear one name.

    Attributes:
        name: such as ``"look"``, ``"shape"``, ``"kind"``
        start: its first number
        stop: one after its last
        whiten: whether an index turns and scales it by what it holds
    """

    name: str
    start: int
    stop: int
    whiten: bool = True


def names(parts: Sequence[Part]) -> list[str]:
    """The names of the parts, each once, in order."""
    return list(dict.fromkeys(part.name for part in parts))


def emphasize(vector: NDArray[np.float32], parts: Sequence[Part], emphasis: Mapping[str, float]) -> NDArray[np.float32]:
    """A query in which some parts count more, or less: ``(d,)`` of length 1, or NaN where nothing is left."""
    scaled = vector.copy()
    for part in parts:
        scaled[part.start : part.stop] *= emphasis.get(part.name, 1.0)
    return vx.normalize(scaled)


def shares(a: NDArray[np.float32], b: NDArray[np.float32], parts: Sequence[Part]) -> dict[str, float]:
    """What each part gives to the dot product of two vectors ``(d,)``; the shares' sum is the score."""
    found = dict.fromkeys(names(parts), 0.0)
    for part in parts:
        found[part.name] += float(a[part.start : part.stop] @ b[part.start : part.stop])
    return found
