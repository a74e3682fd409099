"""The objects of an index as points in the plane, with what to colour them by."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _gallery, _query
from fiftyone_simfind._gallery import Gallery
from fiftyone_simfind.errors import BrainRunError, OptionError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.ids import Ids

COLORS = ("label", "score", "cluster")
SMALLEST_CLUSTER = 5  # objects, or one in so many of all:
MOST_CLUSTERS = 50
MAX_CACHED = 4

_cache: OrderedDict[tuple, _Points] = OrderedDict()


@dataclass(frozen=True)
class ObjectMap:
    """Objects in the plane; row ``i`` of every array belongs to one of them.

    Attributes:
        viz_key: name of the visualization
        patches_field: the field of the objects
        label_ids: ``(n,)`` their ids
        sample_ids: ``(n,)`` the ids of the samples that hold them
        points: ``(n, 2)`` float32, where they are
        labels: ``(n,)`` their classes, or None
        groups: ``(n,)`` name of the group that each is coloured as, or None: its cluster, or else its class
        scores: ``(n,)`` float32, cosine similarity to the query; None unless that was asked for
        is_query: ``(n,)`` bool, the objects searched for
        total: how many objects there are to show, of which these may be a sample
        missing: how many objects of the index the visualization lacks, because they are newer
    """

    viz_key: str
    patches_field: str
    label_ids: NDArray[np.str_] = field(repr=False)
    sample_ids: NDArray[np.str_] = field(repr=False)
    points: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.object_] = field(repr=False)
    groups: NDArray[np.object_] = field(repr=False)
    scores: NDArray[np.float32] | None = field(repr=False)
    is_query: NDArray[np.bool_] = field(repr=False)
    total: int
    missing: int
    _samples: Any = field(repr=False)

    def __len__(self) -> int:
        return len(self.label_ids)

    def view(self, rows: Any) -> Any:
        """A ``PatchesView`` of some of the objects, by row, in the order of the dataset."""
        label_ids, sample_ids = self.label_ids[rows].tolist(), self.sample_ids[rows].tolist()
        ordered = _fields.in_dataset_order(self._samples, self.patches_field, label_ids, sample_ids)
        return _fields.patches_in_order(self._samples, self.patches_field, ordered, sample_ids)


def map_points(
    samples: Any,
    *,
    brain_key: str = "simfind",
    viz_key: str | None = None,
    color_by: str = "label",
    query: Any = None,
    negatives: Any = None,
    max_points: int = 10_000,
    seed: int = 51,
) -> ObjectMap:
    """The objects of an index where a visualization puts them, with what to colour them by.

    Clusters are those that HDBSCAN (R. Campello et al., 2013) finds in the plane, the largest first; each is named
    after the class that most of its objects have::

        shown = simfind.map_points(dataset, color_by="score", query=label_id)
        plt.scatter(*shown.points.T, c=shown.scores)

    Args:
        samples: dataset or view; only the objects in it are shown
        brain_key: name of the index
        viz_key: name of the visualization, made with :func:`visualize`; default is one of the index's objects
        color_by: ``"label"``, ``"score"`` or ``"cluster"``
        query: what to search for, as in :func:`search`; its objects are marked, and always among those shown
        negatives: like ``query``, for what objects should not be like
        max_points: show at most so many objects, chosen at random
        seed: of that choice

    Raises:
        BrainRunError: there is no such index, it is empty, or there is no such visualization of its objects
        OptionError: ``color_by`` is unknown, or is ``"score"`` without a query; or ``max_points`` is below 1
        QueryError: the query cannot be used
    """
    _check(color_by, query, max_points)
    gallery = _gallery.load(samples, brain_key)
    gallery.rows.require_some(brain_key, gallery.patches_field)
    key = viz_key or _default(samples, brain_key, gallery.patches_field)
    there = _points(samples, key, gallery.patches_field)
    rows = gallery.rows.find(there.ids)
    eligible = np.flatnonzero((rows >= 0) & _shown(gallery, samples)[rows])
    target = None if query is None else _query.resolve(gallery, query, negatives)
    asked = np.isin(there.ids, idx.from_hex(target.objects.label_ids if target else []))
    some = _sample(eligible, asked, max_points, seed)
    labels, points = gallery.rows.labels(rows[some]), there.points[some]
    return ObjectMap(
        viz_key=key,
        patches_field=gallery.patches_field,
        label_ids=gallery.rows.ids(rows[some]),
        sample_ids=gallery.rows.sample_ids(rows[some]),
        points=points,
        labels=labels,
        groups=_cluster_names(points, labels) if color_by == "cluster" else labels,
        scores=_scores(gallery, rows[some], target.vector) if target and color_by == "score" else None,
        is_query=asked[some],
        total=len(eligible),
        missing=len(gallery.rows.living) - int((rows >= 0).sum()),
        _samples=samples,
    )


def _check(color_by: str, query: Any, max_points: int) -> None:
    if color_by not in COLORS:
        raise OptionError(f'color_by="{color_by}" must be one of {COLORS}')
    if color_by == "score" and query is None:
        raise OptionError('color_by="score" needs a query, to which the scores are; give one as to simfind.search')
    if not isinstance(max_points, int) or max_points < 1:
        raise OptionError(f"max_points={max_points!r} must be a whole number of at least 1")


def _shown(gallery: Gallery, samples: Any) -> NDArray[np.bool_]:
    """Which rows of an index are of objects that a view shows."""
    inside = gallery.within(samples)
    shown = np.zeros(len(gallery.rows.table.ids), bool)
    shown[gallery.rows.living] = True if inside is None else inside
    return shown


def _scores(gallery: Gallery, rows: NDArray[np.intp], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return vx.similarity(np.asarray(gallery.rows.vectors[rows]), vector)


def _sample(eligible: NDArray[np.intp], asked: NDArray[np.bool_], max_points: int, seed: int) -> NDArray[np.intp]:
    if len(eligible) <= max_points:
        return eligible
    chosen = np.random.default_rng(seed).choice(eligible, max_points, replace=False)
    return np.union1d(chosen, eligible[asked[eligible]])


# The visualization


class _Points(NamedTuple):
    ids: Ids
    points: NDArray[np.float32]


def _default(samples: Any, brain_key: str, patches_field: str) -> str:
    """The visualization that was made of an index, or another one of its objects; UMAP before the others."""
    dataset = _fields.dataset_of(samples)
    _fields.catch_up(dataset)
    keys = [key for key in dataset.list_brain_runs(type="visualization") if _shows(dataset, key, patches_field)]
    if not keys:
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" has no visualization; run '
            f'simfind.visualize(samples, brain_key="{brain_key}") first'
        )
    configs = {key: dataset.get_brain_info(key).config for key in keys}
    of_index = {key: getattr(config, "similarity_index", None) == brain_key for key, config in configs.items()}
    return min(keys, key=lambda key: (not of_index[key], configs[key].method != "umap"))


def _shows(dataset: Any, key: str, patches_field: str) -> bool:
    return getattr(dataset.get_brain_info(key).config, "patches_field", None) == patches_field


def _points(samples: Any, key: str, patches_field: str) -> _Points:
    dataset = _fields.dataset_of(samples)
    _fields.catch_up(dataset, key)
    if key not in dataset.list_brain_runs(type="visualization") or not _shows(dataset, key, patches_field):
        raise BrainRunError(
            f'"{key}" is no visualization of the objects in "{patches_field}" of dataset "{dataset.name}"; make one '
            "with simfind.visualize(samples)"
        )
    place = (str(dataset._doc.id), key, dataset.get_brain_info(key).timestamp)
    if place not in _cache:
        _cache[place] = _read(dataset.load_brain_results(key))
    while len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)
    return _cache[place]


def _read(results: Any) -> _Points:
    points = np.asarray(results.points, np.float32)[:, :2]
    good = np.isfinite(points).all(axis=1)
    return _Points(idx.from_hex(np.asarray(results.label_ids)[good].tolist()), points[good])


# Clusters


def _cluster_names(points: NDArray[np.float32], labels: NDArray[np.object_]) -> NDArray[np.object_]:
    """The name of each object's cluster, or None: the number of the cluster by size, and its commonest class."""
    codes = _clusters(points.tobytes(), len(points)) if len(points) >= SMALLEST_CLUSTER else np.full(len(points), -1)
    names = np.full(len(points), None, object)
    for number, (code, _) in enumerate(Counter(codes[codes >= 0].tolist()).most_common(), 1):
        inside = codes == code
        known = Counter(label for label in labels[inside].tolist() if label is not None)
        names[inside] = f"{number} · {known.most_common(1)[0][0]}" if known else str(number)
    return names


@lru_cache(maxsize=MAX_CACHED)
def _clusters(points: bytes, count: int) -> NDArray[np.intp]:
    from sklearn.cluster import HDBSCAN

    smallest = max(SMALLEST_CLUSTER, count // MOST_CLUSTERS)
    return HDBSCAN(min_cluster_size=smallest, copy=True).fit_predict(
        np.frombuffer(points, np.float32).reshape(count, 2)
    )
