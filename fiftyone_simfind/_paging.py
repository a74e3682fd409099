"""The nearest objects that the rules of a search allow, from an engine that knows the nearest objects alone.

The engine is asked for some, and for more of them as long as the rules leave too few. When that has gone on for a
while, and those who may be found are few, it is told their ids.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind import _fields, _objects
from fiftyone_simfind._objects import Object, Source
from fiftyone_simfind._rules import Found, Rules
from fiftyone_simfind._vendors import Engine
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import ranking
from fiftyone_simfind.numerics import vectors as vx

Vectors = NDArray[np.float32]
Compare = Callable[[Sequence[Object]], tuple[list[Object], Vectors]]

FIRST = 64  # objects that an engine is asked for at least
MORE = 4  # times as many as before, where the rules leave too few
PATIENCE = 1000  # objects asked for before the engine may be told who may be found; to find that out is dear
FAR = 10_000  # objects that would have to be asked for, as it looks, before it is told
NAMED = 10_000  # ids that it can be told; every engine gives that many objects at once


@dataclass
class Seen:
    """Objects that an engine came up with for a query so far.

    Attributes:
        query: ``(d,)`` of length 1
        rules: of the search
        ids: of all of them
        objects: those that may be found, with their ``scores`` and ``vectors``
        last: of all of them, the score that is farthest from where the search began
    """

    query: Vectors
    rules: Rules
    ids: set[str] = field(default_factory=set)
    objects: list[Object] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    last: float | None = None

    def add(self, objects: Sequence[Object], vectors: Vectors, patches_field: str) -> None:
        """Take in some objects, with their vectors as the index compares them."""
        if not objects:
            return
        scores = vx.similarity(vectors, self.query)
        farthest = max if self.rules.reverse else min
        self.last = farthest([*scores.tolist(), *([] if self.last is None else [self.last])])
        rows = [row for row, found in enumerate(objects) if self._allows(found)]
        if self.rules.within is not None and not _fields.is_whole(self.rules.within):
            inside = _objects.shown(self.rules.within, patches_field, [objects[row] for row in rows])
            rows = [row for row in rows if objects[row].label_id in inside]
        for row in rows:
            self.objects.append(objects[row])
            self.scores.append(float(scores[row]))
            self.vectors.append(vectors[row])

    def _allows(self, found: Object) -> bool:
        rules = self.rules
        return (
            (rules.labels is None or found.label in rules.labels)
            and found.label not in rules.not_labels
            and found.label_id not in rules.not_ids
            and found.sample_id not in rules.not_samples
        )

    def best(self, k: int) -> Found:
        """The first ones; of equally good ones those that came into the dataset first."""
        order = sorted(range(len(self.objects)), key=lambda row: self.objects[row][:2][::-1])
        rows = ranking.rank(
            np.array([self.scores[row] for row in order], np.float32),
            k=k,
            groups=[self.objects[row].sample_id for row in order] if self.rules.one_per_image else None,
            min_score=self.rules.min_score,
            reverse=self.rules.reverse,
        )
        chosen = [order[row] for row in rows]
        return found(
            [self.objects[row] for row in chosen],
            [self.scores[row] for row in chosen],
            np.array([self.vectors[row] for row in chosen], np.float32).reshape(len(chosen), len(self.query)),
        )

    def settles(self, best: Found, k: int, margin: float) -> bool:
        """Whether what the engine has not come up with yet can change nothing."""
        if self.last is None:
            return False
        if len(best.label_ids) == k:
            return abs(float(best.scores[-1]) - self.last) > margin
        worst = self.rules.min_score
        return worst is not None and not self.rules.reverse and self.last < worst - margin


def found(objects: Sequence[Object], scores: ArrayLike, vectors: Vectors) -> Found:
    """Objects with their scores and vectors as what a search gives."""
    return Found(
        [one.label_id for one in objects],
        [one.sample_id for one in objects],
        [one.label for one in objects],
        np.asarray(scores, np.float32),
        vectors,
    )


def rank(engine: Engine, source: Source, compare: Compare, vector: Vectors, k: int, rules: Rules) -> Found:
    """The first ``k`` objects that the rules allow, most like a vector first, or least like it.

    Raises:
        OptionError: the engine does not give as many objects as it takes to know
    """
    # To the opposite vector all scores have the other sign, so the nearest to that one are the least similar.
    query = np.asarray(-vector if rules.reverse else vector, np.float32)
    seen, first = Seen(vector, rules), max(FIRST, 2 * k)
    asked, among, may_name = first, None, True
    while True:
        most = min(engine.most or sys.maxsize, sys.maxsize if among is None else len(among))
        asked = min(asked, most)
        ids = engine.nearest(query, asked, among) if asked else []
        seen.add(*compare(_fresh(source, seen, ids)), source.patches_field)
        best, given = seen.best(k), len(ids)
        if seen.settles(best, k, engine.precision) or _is_all(engine, given, asked, among):
            return best
        is_stuck = given < asked or asked == most
        is_far = asked >= PATIENCE and k * asked > len(best.label_ids) * FAR
        if may_name and (is_stuck or is_far):
            among, may_name = _named(source, rules), False
            if among is not None:
                asked = first
                continue
        if is_stuck:
            break
        asked *= MORE
    if len(best.label_ids) == k or given >= engine.size:
        return best
    raise OptionError(_too_few(engine, given, asked, len(best.label_ids), k))


def _fresh(source: Source, seen: Seen, ids: Sequence[str]) -> list[Object]:
    new = [label_id for label_id in ids if label_id not in seen.ids]
    seen.ids.update(new)
    return list(source.by_id(new).values())


def _is_all(engine: Engine, given: int, asked: int, among: Sequence[str] | None) -> bool:
    """Whether an engine has given all that there are."""
    if among is not None:
        return given < asked or asked == len(among)
    return given < asked and (engine.exact or given >= engine.size)


def _named(source: Source, rules: Rules) -> list[str] | None:
    """The ids of all objects that the view and the classes of a search leave, where they are few."""
    whole = rules.within is None or _fields.is_whole(rules.within)
    if whole and rules.labels is None and not rules.not_labels:
        return None
    return _objects.few(
        _fields.everything(source.dataset) if whole else rules.within,
        source.patches_field,
        labels=rules.labels,
        not_labels=rules.not_labels,
        at_most=NAMED,
    )


def _too_few(engine: Engine, given: int, asked: int, left: int, k: int) -> str:
    backend = engine.index.config.method
    if given < asked:
        return (
            f"{backend} gave {given} of the {asked} nearest objects, because its index is approximate; the search "
            f"allows {left} of these and k={k}. {engine.cure}"
        )
    return (
        f"{backend} gives the {asked} nearest objects at most, and the search allows {left} of these and k={k}. Ask "
        "for fewer, set min_score, or allow more of them"
    )
