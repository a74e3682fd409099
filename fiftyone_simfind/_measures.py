"""How well vectors find objects of the same class again: the measures of a search for each object."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind.errors import FieldError, OptionError
from fiftyone_simfind.numerics import retrieval

MEANS = {"AP": "mAP", "hit": "CMC"}  # what the mean of a query's measure is called, where it has another name


@dataclass(frozen=True)
class Cutoffs:
    """At which ranks to measure.

    Attributes:
        k: everything is measured among the first so many
        map_k: average precision is measured here as well
    """

    k: tuple[int, ...]
    map_k: int

    @classmethod
    def of(cls, k: int | Sequence[int], map_k: int) -> Cutoffs:
        """Cut-offs in increasing order.

        Raises:
            OptionError: one is no whole number of at least 1
        """
        several = tuple(k) if isinstance(k, Iterable) else (k,)
        for name, values in (("k", several), ("map_k", (map_k,))):
            if not values or not all(isinstance(v, (int, np.integer)) and v >= 1 for v in values):
                raise OptionError(f"{name}={k if name == 'k' else map_k!r} must be whole numbers of at least 1")
        return cls(tuple(sorted({int(v) for v in several})), int(map_k))

    @property
    def depth(self) -> int:
        """The last rank that matters."""
        return max(*self.k, self.map_k)


@dataclass(frozen=True)
class Classes:
    """What objects are, as numbers.

    Attributes:
        names: the classes, sorted
        codes: ``(n,)`` place of each object's class in ``names``, or -1
    """

    names: list[Any]
    codes: NDArray[np.intp]

    @classmethod
    def of(cls, values: Sequence[Any], attribute: str) -> Classes:
        """The classes of some objects; None is no class.

        Raises:
            FieldError: a value is no string, number or boolean
        """
        for value in values:
            if not isinstance(value, (str, int, float, type(None))):
                raise FieldError(
                    f'"{attribute}" holds {reprlib.repr(value)} of type {type(value).__name__}; give an attribute of '
                    "strings, whole numbers or booleans"
                )
        known = {value for value in values if value is not None}
        names = sorted(known, key=lambda value: (isinstance(value, str), value))
        places = {name: place for place, name in enumerate(names)}
        codes = [retrieval.NOTHING if value is None else places[value] for value in values]
        return cls(names, np.array(codes, dtype=np.intp))


def sample(rows: NDArray[np.intp], count: int | None, seed: int) -> NDArray[np.intp]:
    """So many of some rows, chosen at random, in their order; all where there are no more, or ``count`` is None."""
    if count is None or count >= len(rows):
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))


def check_count(name: str, value: int | None) -> None:
    """Raise unless an option is a whole number of at least 1, or None.

    Raises:
        OptionError: it is not
    """
    if value is not None and (not isinstance(value, int) or value < 1):
        raise OptionError(f"{name}={value!r} must be a whole number of at least 1, or None for all")


def usable(classes: Classes, groups: NDArray[np.intp] | None, attribute: str) -> NDArray[np.intp]:
    """The rows of the objects to which another is relevant.

    Raises:
        FieldError: there are none
    """
    rows = np.flatnonzero(retrieval.relevant_counts(classes.codes, groups))
    if not len(rows):
        where, cure = ("", "") if groups is None else (" of different images", ", or exclude_same_image=False")
        raise FieldError(
            f'no two objects{where} have the same "{attribute}" here, so that nothing can be measured; give more '
            f"samples, another label_attr{cure}"
        )
    return rows


def measure(
    vectors: NDArray[np.float32],
    codes: NDArray[np.intp],
    cutoffs: Cutoffs,
    *,
    groups: ArrayLike | None = None,
    queries: NDArray[np.intp] | None = None,
    progress: Any = None,
) -> retrieval.Rankings:
    """The ranking of all objects for each query, as :func:`retrieval.rank_all` makes it, with a progress bar."""
    rows = np.flatnonzero(retrieval.relevant_counts(codes, groups)) if queries is None else queries
    with fo.ProgressBar(total=len(rows), iters_str="queries", progress=progress) as bar:
        return retrieval.rank_all(
            vectors,
            codes,
            depth=cutoffs.depth,
            groups=groups,
            queries=rows,
            advance=lambda done: bar.update(count=done),
        )


def per_query(ranks: retrieval.Rankings, cutoffs: Cutoffs) -> dict[str, NDArray]:
    """All measures of each query, ``(q,)`` by name: ``"P@5"``, ``"recall@5"``, ``"AP@5"``, ``"hit@5"`` and so on."""
    found: dict[str, NDArray] = {}
    for k in cutoffs.k:
        found[f"P@{k}"] = retrieval.precision_at(ranks.hits, k)
    for k in cutoffs.k:
        found[f"recall@{k}"] = retrieval.recall_at(ranks.hits, ranks.relevant, k)
    for k in sorted({*cutoffs.k, cutoffs.map_k}):
        found[f"AP@{k}"] = retrieval.average_precision_at(ranks.hits, ranks.relevant, k)
    for k in cutoffs.k:
        found[f"hit@{k}"] = retrieval.found_at(ranks.hits, k)
    return {**found, "R-precision": ranks.r_precision}


def mean_name(name: str) -> str:
    """What the mean of a query's measure is called: ``"mAP@5"`` for ``"AP@5"``."""
    kind, at, k = name.partition("@")
    return f"{MEANS.get(kind, kind)}{at}{k}"


def means(scores: dict[str, NDArray]) -> dict[str, float]:
    """The mean of each measure over the queries."""
    return {mean_name(name): float(np.mean(values)) for name, values in scores.items()}
