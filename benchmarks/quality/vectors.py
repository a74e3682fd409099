"""The vectors that are set beside each other: the default, simpler ones, and the default without one of its parts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.judge import Figures, Vectors, judge
from benchmarks.quality.study import Study
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part


def rows(study: Study, others: dict[str, Vectors]) -> dict[str, Figures]:
    """The figures of every kind of vectors of a study's objects, by what they are.

    Args:
        study: of one network
        others: vectors of the same objects that are made without it
    """
    raw, parts = study.raw, study.parts
    made: dict[str, Callable[[], Vectors]] = {
        "**default**: whitened in the index": lambda: study.gallery.vectors,
        "default, raw (without whitening)": lambda: raw,
        "- without colour": lambda: white(scaled(raw, parts, colour=0), parts),
        "- without the middle map's means": lambda: white(scaled(raw, parts, middle=0), parts),
        "- without the middle map's deviations": lambda: white(scaled(raw, parts, spread=0), parts),
        "- without the middle map": lambda: white(scaled(raw, parts, middle=0, spread=0), parts),
        "- without the late maps": lambda: white(scaled(raw, parts, late=0), parts),
        "- without class scores": lambda: white(scaled(raw, parts, classes=0), parts),
        "- class scores of constant length": lambda: white(evened(raw, parts), parts),
        "- without object weights (Gaussian mean)": lambda: white(study.rivals["gaussian"], parts),
        "neck: maps that enter the head": lambda: study.rivals["neck"],
        "neck, half-whitened": lambda: white(study.rivals["neck"]),
        "backbone: middle and late maps, plain mean": lambda: study.rivals["backbone"],
    }
    for name, vectors in others.items():
        made[name] = partial(np.asarray, vectors)
        if name.endswith("crops"):
            made[f"{name}, half-whitened"] = partial(white, vectors)
    return {name: judge(make(), study.objects.classes, study.objects.images) for name, make in made.items()}


def white(vectors: Vectors, parts: list[Part] | None = None) -> Vectors:
    """Vectors as an index of them compares them; as one part when they have none."""
    return wh.fit(vectors, parts).apply(vectors)


def scaled(vectors: Vectors, parts: list[Part], **factors: float) -> Vectors:
    """Vectors with some blocks longer or shorter, as :func:`blocks` names them."""
    found = np.array(vectors, np.float32)
    for part, name in zip(parts, blocks(parts), strict=True):
        found[:, part.start : part.stop] *= factors.get(name, 1.0)
    return vx.normalize(found)


def evened(vectors: Vectors, parts: list[Part]) -> Vectors:
    """Vectors whose class scores all have the same length beside the other blocks: their mean one."""
    found = np.array(vectors, np.float32)
    named = dict(zip(blocks(parts), parts, strict=True))
    scores = named["classes"]
    found /= length(found, named["colour"])  # which is of constant length before the whole is scaled to 1
    found[:, scores.start : scores.stop] *= length(found, scores).mean() / length(found, scores)
    return vx.normalize(found)


def blocks(parts: list[Part]) -> list[str]:
    """What each run of numbers is made of: "colour", "middle", "spread", "late" or "classes"."""
    kinds = chain(["spread"], repeat("late"))
    named = {"look": lambda: "colour", "shape": lambda: "middle", "kind": lambda: next(kinds)}
    return [named[part.name]() if part.whiten else "classes" for part in parts]


def length(vectors: Vectors, part: Part) -> NDArray[np.floating]:
    """``(n, 1)`` how long the blocks are."""
    return np.linalg.norm(vectors[:, part.start : part.stop], axis=1, keepdims=True)
