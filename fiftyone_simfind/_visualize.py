"""UMAP of the objects."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import fiftyone.brain as fob

from fiftyone_simfind import _fields, _gallery, _runs
from fiftyone_simfind.errors import FieldError, OptionError

METHODS = ("umap", "pca", "tsne")
MIN_OBJECTS = 4

_silence = threading.Lock()


def visualize(
    samples: Any,
    *,
    brain_key: str = "simfind",
    viz_key: str | None = None,
    method: str = "umap",
    seed: int = 51,
    overwrite: bool = False,
    **kwargs: Any,
) -> Any:
    """The objects of an index as points in the plane, for the App's Embeddings panel.

    It is an ordinary Brain visualization run. The first UMAP in a process compiles its code, which takes up to a
    minute; UMAP (L. McInnes et al., 2018) with a seed gives the same points each time on the same machine.

    Args:
        samples: dataset or view; the objects in it that have vectors are shown
        brain_key: name of the index
        viz_key: name of the visualization; default is the index's name and the method, ``"simfind_umap"``
        method: ``"umap"``, ``"pca"`` or ``"tsne"``
        seed: random seed
        overwrite: replace a visualization of the same name
        **kwargs: options of the method, such as UMAP's ``num_neighbors`` and ``min_dist``; ``verbose=False`` tells
            nothing of how it goes

    Returns:
        the Brain run's ``VisualizationResults``, with ``points`` ``(n, 2)`` and ``label_ids`` ``(n,)``

    Raises:
        BrainRunError: there is no such index, or already such a visualization and ``overwrite`` is not set
        FieldError: fewer than four objects have vectors
        OptionError: the method is unknown
    """
    if method not in METHODS:
        raise OptionError(f'method="{method}" must be one of {METHODS}')
    dataset = _fields.dataset_of(samples)
    fields = _gallery.index_fields(dataset, brain_key)
    key = viz_key or f"{brain_key}_{method}"
    _runs.require_free(dataset, key, overwrite, option="viz_key")
    view = _fields.images(samples)
    path = _fields.objects_path(view, fields.patches_field)
    count = _fields.count_values(view, f"{path}.{fields.embeddings_field}")
    if count < MIN_OBJECTS:
        raise FieldError(
            f'{count} objects in "{fields.patches_field}" have vectors; a visualization needs at least {MIN_OBJECTS}'
        )
    index = dataset.load_brain_results(brain_key)
    index.reload()  # it may have been loaded before the last objects were embedded
    options = {**_small(method, count), "seed": seed, **kwargs}
    with _quiet() if kwargs.get("verbose") is False else nullcontext():
        return _runs.make(
            dataset,
            key,
            lambda name: fob.compute_visualization(
                view,
                patches_field=fields.patches_field,
                similarity_index=index,  # and not the field: Brain would store a pickled reducer beside the points
                brain_key=name,
                method=method,
                **options,
            ),
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Brain and UMAP tell of the way that they go."""
    with _silence:  # one at a time: each puts back what it found
        told, before = logging.getLogger("fiftyone.brain"), logging.getLogger("fiftyone.brain").level
        told.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
                yield
        finally:
            told.setLevel(before)


def _small(method: str, count: int) -> dict[str, Any]:
    """Options that let a method work on few objects."""
    if method == "umap":
        return {"num_neighbors": min(15, count - 1)}
    if method == "tsne":
        return {"perplexity": min(30.0, (count - 1) / 3), "pca_dims": min(50, count)}
    return {}
