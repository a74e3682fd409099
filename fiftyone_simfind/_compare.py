"""Which model's vectors find objects best, and what they cost."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fiftyone_simfind import _embedding, _fields, _measures, _metric, _trials
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._measures import Classes, Cutoffs
from fiftyone_simfind._tables import ComparisonReport, ModelResult
from fiftyone_simfind._trials import Trial
from fiftyone_simfind._types import Embedder
from fiftyone_simfind.errors import FieldError, ModelError, OptionError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part

STORED = "field:"

Source = Embedder | dict[str, Any]  # a model, or vectors by label id


def compare(
    samples: Any,
    patches_field: str,
    *,
    models: Any,
    label_attr: str = "label",
    k: int | Sequence[int] = (1, 5),
    map_k: int = 100,
    exclude_same_image: bool = True,
    whiten: bool = True,
    image_size: int | None = None,
    batch_size: int = 8,
    num_workers: int | None = None,
    device: str | None = None,
    max_objects: int | None = None,
    seed: int = 51,
    progress: Any = None,
) -> ComparisonReport:
    """Models beside each other on the same objects: how often they find the same class, and the time they take.

    Nothing is written to the dataset. An object to which any of the models gives no vector is left out for all.
    Before its time is taken, each model runs on one image, and the files are in the operating system's memory::

        report = simfind.compare(dataset, "ground_truth", models=["yolo11n.pt", "field:embedding"], max_objects=2000)
        print(report)

    The measures are those of :func:`evaluate`.

    Args:
        samples: image dataset or view
        patches_field: field of ``Detections``
        models: whatever :func:`embed` takes as ``model``, or ``"field:embedding"`` for the vectors that are stored in
            the attribute ``"embedding"``; a list, or a dict that gives them names
        label_attr: attribute of the detections that says what is alike
        k: how many of the nearest objects to look at
        map_k: mean average precision is given at this rank as well
        exclude_same_image: leave out objects in the query's own image
        whiten: compare the vectors as an index does, half-whitened on these very objects; False takes them as they are
        image_size: longest side of an image in a YOLO network, in pixels; default 640
        batch_size: images in a forward pass
        num_workers: threads that read images ahead; default up to 4
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU
        max_objects: take random images until there are so many objects; default is all
        seed: of that choice
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Raises:
        CollectionError: the samples are no images
        FieldError: a field or attribute is not there, or no two objects are alike in it
        ModelError: a model cannot be loaded, in which case no other has begun
        OptionError: an option is out of range, or two models have one name
    """
    cutoffs = Cutoffs.of(k, map_k)
    view = _fields.images(samples)
    path = _fields.objects_path(view, patches_field)
    from fiftyone_simfind.models import images

    batches = Batches(images.read, batch_size, num_workers, progress=progress)
    values = _fields.object_values(view, path, label_attr)
    sources = _load(models, view, path, image_size or _trials.DEFAULT_IMAGE_SIZE, device)
    masks = any(_embedding.takes_masks(source) for source in sources.values())
    items = _trials.choose(view, path, max_objects, seed, masks=masks)
    _trials.read_ahead(items)
    trials = {name: _try(name, source, items, batches) for name, source in sources.items()}
    good = np.logical_and.reduce([vx.usable(trial.vectors) for trial in trials.values()])
    ids = np.array(_trials.label_ids(items))[good]
    classes = Classes.of([values[label_id] for label_id in ids.tolist()], label_attr)
    groups = _trials.image_numbers(items)[good] if exclude_same_image else None
    rows = _measures.usable(classes, groups, f"{path}.{label_attr}")
    results = []
    for name, trial in trials.items():
        (vectors,) = _trials.as_indexed([trial.vectors[good]], sources[name], whiten)
        ranks = _measures.measure(vectors, classes.codes, cutoffs, groups=groups, queries=rows, progress=progress)
        scores = _measures.per_query(ranks, cutoffs)
        results.append(ModelResult(name, trial.vectors.shape[1], *trial.milliseconds(), scores))
    failures = {file: reason for trial in trials.values() for file, reason in trial.failures.items()}
    return ComparisonReport(label_attr, cutoffs, len(ids), int((~good).sum()), ids[rows], results, failures)


def _load(models: Any, view: Any, path: str, image_size: int, device: str | None) -> dict[str, Source]:
    """Models, or stored vectors by label id, by the names that they have in the table."""
    from fiftyone_simfind.models import load_embedder

    one = isinstance(models, (str, os.PathLike)) or not isinstance(models, Iterable)
    named = models.items() if isinstance(models, Mapping) else [(None, m) for m in ([models] if one else models)]
    sources: dict[str, Source] = {}
    for given, model in named:
        source: Source
        if isinstance(model, str) and model.startswith(STORED):
            source, name = _stored(view, path, model.removeprefix(STORED)), model
        else:
            source = load_embedder(model, image_size=image_size, device=device)
            name = source.name
        if (given or name) in sources:
            raise OptionError(
                f'two models are called "{given or name}"; give them names, as in models={{"one": ..., "other": ...}}'
            )
        sources[given or name] = source
    if not sources:
        raise OptionError(f"models={models!r} names no model; give at least one")
    return sources


class Stored(dict[str, Any]):
    """Vectors by label id, and the parts of which their model told."""

    parts: list[Part] | None = None


def _stored(view: Any, path: str, attribute: str) -> Stored:
    """The vectors that an attribute holds."""
    found = Stored(_fields.object_values(view, path, attribute))
    found.parts = _metric.recorded_parts(view, f"{path}.{attribute}")
    wrong = next((value for value in found.values() if value is not None and np.ndim(value) != 1), None)
    if wrong is not None:
        raise FieldError(
            f'"{path}.{attribute}" holds {reprlib.repr(wrong)}, which is no vector; name another attribute'
        )
    return found


def _try(name: str, source: Source, items: Sequence[BoxedImage], batches: Batches) -> Trial:
    """The objects' vectors from one source."""
    ids = _trials.label_ids(items)
    if isinstance(source, dict):
        trial = Trial(_trials.stack(source, ids, name))
    else:
        trial = _trials.embed(source, items, batches)
    if not vx.usable(trial.vectors).any():
        reason = next(iter(trial.failures.items()), "no box has an area inside its image")
        raise ModelError(f'"{name}" gave none of the {len(ids):,} objects a vector: {reason}')
    return trial
