"""How well a search finds the same look and the same thing again in the showroom."""

import random
from collections import Counter
from typing import Any, NamedTuple

import fiftyone as fo

import fiftyone_simfind as simfind
from fiftyone_simfind.numerics import boxes as bx

from .dataset import GROUND_TRUTH

SAME_PLACE = 0.5  # IoU


class Thing(NamedTuple):
    """What a detection really shows."""

    category: str
    color: str
    identity: str


class Quality(NamedTuple):
    """Shares in [0, 1], and the number of queries that they were measured on.

    Attributes:
        same_look: of the five nearest objects, those of the query's category and colour; the mean
        same_identity: queries whose nearest object is the same thing, of those seen more than once
        queries: how many objects were searched for
    """

    same_look: float
    same_identity: float
    queries: int


def things(dataset: Any, label_field: str = "objects") -> dict[str, Thing]:
    """What each detection shows, by label id: the ground truth that it overlaps most, if by half."""
    found = {}
    truth = f"{GROUND_TRUTH}.detections"
    paths = [f"{label_field}.detections.id", f"{label_field}.detections.bounding_box"]
    truths = [f"{truth}.{attribute}" for attribute in ("bounding_box", "label", "color", "identity")]
    for ids, boxes, true_boxes, *facts in zip(*dataset.values([*paths, *truths]), strict=True):
        if not ids or not true_boxes:
            continue
        overlaps = bx.iou(boxes, true_boxes)
        for label_id, row in zip(ids, overlaps, strict=True):
            if row.max() >= SAME_PLACE:
                found[label_id] = Thing(*(fact[row.argmax()] for fact in facts))
    return found


def measure(
    dataset: Any, *, label_field: str = "objects", queries: int = 500, seed: int = 51, progress: Any = None
) -> Quality:
    """Search for random objects of a showroom dataset and see what comes first.

    Args:
        dataset: from :func:`fiftyone_simfind.showroom.dataset.load`, detected and indexed
        label_field: field of the detections
        queries: how many objects to search for
        seed: of the choice of objects
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar
    """
    known = things(dataset, label_field)
    counts = Counter(known.values())
    chosen = random.Random(seed).sample(sorted(known), min(queries, len(known)))
    looks, firsts = [], []
    with fo.ProgressBar(total=len(chosen), iters_str="searches", progress=progress) as bar:
        for label_id in bar(chosen):
            query = known[label_id]
            matches = [known.get(i) for i in simfind.search(dataset, label_id, k=5).ids]
            looks.append(sum(m is not None and m[:2] == query[:2] for m in matches) / len(matches))
            if counts[query] > 1:
                firsts.append(matches[0] == query)
    return Quality(sum(looks) / len(looks), sum(firsts) / len(firsts), len(chosen))
