"""How good the retrieval is, measured on objects whose class is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _gallery, _measures
from fiftyone_simfind._measures import Classes, Cutoffs
from fiftyone_simfind._reports import RetrievalReport
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import retrieval


def evaluate(
    samples: Any,
    *,
    brain_key: str = "simfind",
    label_attr: str = "label",
    k: int | Sequence[int] = (1, 5, 10),
    map_k: int = 100,
    exclude_same_image: bool = True,
    queries: int | None = None,
    seed: int = 51,
    progress: Any = None,
) -> RetrievalReport:
    """How often a search for an object finds objects of its own class: precision, recall, mAP, R-precision and CMC.

    Every object is searched for among all others, with the vectors and scores of :func:`search`, and an object counts
    as relevant when ``label_attr`` has the query's value. Objects without a value are never relevant and no queries,
    but can be found in place of one that is. Queries to which nothing is relevant are left out and counted::

        report = simfind.evaluate(dataset, label_attr="label")
        print(report)
        report.per_class()

    The measures are defined in :mod:`fiftyone_simfind.numerics.retrieval`.

    Args:
        samples: dataset or view; only the objects in it are searched for and found
        brain_key: name of the index
        label_attr: attribute of the detections that says what is alike: strings, whole numbers or booleans
        k: how many of the nearest objects to look at; several are reported beside each other
        map_k: mean average precision is given at this rank as well
        exclude_same_image: leave out objects in the query's own image, which often show the very same scene
        queries: search only for so many objects, chosen at random; default is all
        seed: of that choice
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        the measures of each query, their means, and what is confused with what

    Raises:
        BrainRunError: there is no such index
        FieldError: no object has the attribute, or no two that could find each other have the same value
        OptionError: an option is out of range
    """
    cutoffs = Cutoffs.of(k, map_k)
    _measures.check_count("queries", queries)
    gallery = _gallery.load(samples, brain_key)
    inside = gallery.within(samples)
    rows = np.arange(len(gallery.label_ids)) if inside is None else np.flatnonzero(inside)
    label_ids = gallery.label_ids[rows]
    path = _fields.objects_path(samples, gallery.patches_field)
    known = _fields.object_values(_fields.dataset_of(samples), path, label_attr)
    classes = Classes.of([known.get(label_id) for label_id in label_ids.tolist()], label_attr)
    groups = np.unique(gallery.sample_ids[rows], return_inverse=True)[1] if exclude_same_image else None
    usable = _measures.usable(classes, groups, f"{path}.{label_attr}")
    chosen = _measures.sample(usable, queries, seed)
    ranks = _measures.measure(
        gallery.vectors[rows], classes.codes, cutoffs, groups=groups, queries=chosen, progress=progress
    )
    without = int((classes.codes == retrieval.NOTHING).sum())
    return RetrievalReport(
        brain_key=brain_key,
        label_attr=label_attr,
        cutoffs=cutoffs,
        objects=len(rows),
        without_attribute=without,
        without_relevant=len(rows) - without - len(usable),
        label_ids=label_ids[chosen],
        classes=Classes(classes.names, classes.codes[chosen]),
        neighbors=_classes_of(ranks.neighbors[:, : max(cutoffs.k)], classes),
        neighbor_ids=_ids_of(ranks.neighbors[:, : max(cutoffs.k)], label_ids),
        neighbor_scores=ranks.scores[:, : max(cutoffs.k)].clip(-1, 1),
        relevant=ranks.relevant,
        first_hits=retrieval.first_hits(ranks.hits),
        scores=_measures.per_query(ranks, cutoffs),
    )


def _classes_of(neighbors: NDArray[np.intp], classes: Classes) -> NDArray[np.intp]:
    """The class of each neighbour, ``retrieval.PADDING`` where there is none."""
    return np.where(neighbors == retrieval.NOTHING, retrieval.PADDING, classes.codes[neighbors])


def _ids_of(neighbors: NDArray[np.intp], label_ids: NDArray[np.str_]) -> NDArray[np.bytes_]:
    """The id of each neighbour in 12 bytes, none where there is no neighbour."""
    there = neighbors != retrieval.NOTHING
    found = np.zeros(neighbors.shape, f"S{idx.WIDTH}")
    found[there] = idx.from_hex(label_ids.tolist())[neighbors[there]]
    return found
