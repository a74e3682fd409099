"""Whether what a search finds depends on where an object is in its image, and on how large it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _gallery, _measures
from fiftyone_simfind._gallery import Gallery
from fiftyone_simfind._location_report import Influence, LocationReport
from fiftyone_simfind._measures import Classes
from fiftyone_simfind.errors import FieldError, OptionError
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import location as loc

CHOICE = 2  # times as many objects as are found must be there to be found


def location_influence(
    samples: Any,
    *,
    brain_key: str = "simfind",
    k: int = 5,
    label_attr: str = "label",
    queries: int | None = None,
    seed: int = 51,
) -> LocationReport:
    """Whether the matches of an object lie where it lies, and are as large as it, more often than by chance.

    For each object, its ``k`` nearest among the objects of its own class in other images are compared with all of
    these: how far the centres of their boxes are from its own, and how many times larger or smaller they are. A search
    that knows nothing of places would find objects that are, on average, as far away as all are::

        report = simfind.location_influence(dataset)
        print(report)
        report.plot("location.png")

    A ratio below 1 need not be the vectors' doing. Things that look alike also tend to be of like size and at like
    places: a floor lamp's twin stands on a floor as well, and what is seen from nearby shows details that only other
    things seen from nearby show. :func:`robustness`, which moves and scales the very same object, tells what the
    vectors themselves make of a place and a size.

    Args:
        samples: dataset or view; only the objects in it are searched for and found
        brain_key: name of the index
        k: how many of the nearest objects to look at; an object needs at least ``2 * k`` to choose from
        label_attr: attribute of the detections that says what is of one class: strings, whole numbers or booleans
        queries: search only for so many objects, chosen at random; default is all
        seed: of that choice, and of the intervals

    Returns:
        the ratios with 95 % intervals, from a bootstrap over the images of the queries

    Raises:
        BrainRunError: there is no such index, or a vector database holds it
        FieldError: no object has the attribute, or none has enough of its class in other images
        OptionError: an option is out of range
    """
    if not isinstance(k, int) or k < 1:
        raise OptionError(f"k={k!r} must be a whole number of at least 1")
    _measures.check_count("queries", queries)
    gallery = _gallery.load(samples, brain_key)
    rows, boxes, classes = _objects(samples, gallery, label_attr)
    images = np.unique(gallery.sample_ids[rows], return_inverse=True)[1]
    able = loc.with_choice(classes.codes, images, CHOICE * k)
    if not len(able):
        raise FieldError(
            f'no object in "{gallery.patches_field}" of dataset "{gallery.dataset_name}" has {CHOICE * k} of its own '
            f'"{label_attr}" in other images, of which {k} could be nearest; give more samples, another label_attr, '
            "or a smaller k"
        )
    asked = _measures.sample(able, queries, seed)
    pairs = loc.measure(gallery.vectors[rows], boxes, classes.codes, images, k, asked)
    place, size = (
        _influence(near.mean(axis=1), chance, images[asked], seed)
        for near, chance in ((pairs.place, pairs.place_chance), (pairs.size, pairs.size_chance))
    )
    return LocationReport(
        brain_key=brain_key,
        label_attr=label_attr,
        k=k,
        queries=len(asked),
        images=len(np.unique(images[asked])),
        left_out=int((classes.codes != loc.NOTHING).sum()) - len(able),
        place=place,
        size=size,
        label_ids=gallery.label_ids[rows][asked],
        classes=Classes(classes.names, classes.codes[asked]),
        pairs=pairs,
    )


def _objects(samples: Any, gallery: Gallery, label_attr: str) -> tuple[NDArray[np.intp], NDArray[np.float64], Classes]:
    """The rows of the objects that are there, their boxes ``(n, 4)`` and classes; without those that have no area."""
    inside = gallery.within(samples)
    rows = np.arange(len(gallery.label_ids)) if inside is None else np.flatnonzero(inside)
    dataset, path = _fields.dataset_of(samples), _fields.objects_path(samples, gallery.patches_field)
    label_ids = gallery.label_ids[rows].tolist()
    known = _fields.object_values(dataset, path, "bounding_box")
    boxes = bx.as_boxes([known.get(label_id) or [np.nan] * 4 for label_id in label_ids])
    there = bx.has_area(boxes)
    values = _fields.object_values(dataset, path, label_attr)
    kept = [values.get(label_id) for label_id, is_there in zip(label_ids, there, strict=True) if is_there]
    return rows[there], boxes[there], Classes.of(kept, label_attr)


def _influence(
    observed: NDArray[np.float64], chance: NDArray[np.float64], images: NDArray[np.intp], seed: int
) -> Influence:
    ratio, low, high = loc.ratio_interval(observed, chance, images, seed=seed)
    return Influence(float(observed.mean()), float(chance.mean()), ratio, low, high)
