"""The objects that can be found: their ids, classes and unit vectors, in memory."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _metric
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

MAX_CACHED = 2

_cache: OrderedDict[tuple, Gallery] = OrderedDict()


@dataclass(frozen=True)
class Gallery:
    """Objects with vectors; row ``i`` of everything belongs to one object.

    Attributes:
        dataset_name: name of the dataset
        patches_field: the field of the objects
        embeddings_field: the attribute of their vectors
        label_ids: ``(n,)`` ids of the objects
        sample_ids: ``(n,)`` ids of the samples that hold them
        labels: ``(n,)`` class names, or None
        vectors: ``(n, d)`` float32 of length 1, as the index compares them
        dim: length of a vector as the model gives it
        parts: what the numbers of ``vectors`` are
        whitening: what the index does to vectors before it compares them; None when it takes them as they are
    """

    dataset_name: str
    patches_field: str
    embeddings_field: str
    label_ids: NDArray[np.str_]
    sample_ids: NDArray[np.str_]
    labels: NDArray[np.object_]
    vectors: NDArray[np.float32] = field(repr=False)
    dim: int
    parts: list[Part]
    whitening: Whitening | None = field(repr=False)

    @cached_property
    def row_of(self) -> dict[str, int]:
        """The row of each object, by label id."""
        return {label_id: row for row, label_id in enumerate(self.label_ids.tolist())}

    def within(self, samples: Any) -> NDArray[np.bool_] | None:
        """Which objects a view shows, ``(n,)`` bool, or None for all."""
        if _fields.is_whole(samples):
            return None
        return np.isin(self.label_ids, np.array(_fields.label_ids(samples, self.patches_field), "U24"))


class IndexFields(NamedTuple):
    """Where the objects of an index and their vectors are: a field, and an attribute of its objects."""

    patches_field: str
    embeddings_field: str


def load(samples: Any, brain_key: str) -> Gallery:
    """The objects of a similarity index, as they are in the dataset now.

    They are read again only after the dataset has changed.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects with a vector field
    """
    fields = index_fields(samples, brain_key)
    fitted = _metric.version(samples, brain_key)
    key = (str(_fields.dataset_of(samples)._doc.id), *fields, fitted, *_fields.last_change(samples))
    if key not in _cache:
        _cache[key] = _read(_fields.dataset_of(samples), fields, _metric.load(samples, brain_key, fitted))
    _cache.move_to_end(key)
    while len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)
    return _cache[key]


def index_fields(samples: Any, brain_key: str) -> IndexFields:
    """The fields of an index of objects.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects with a vector field
    """
    dataset = _fields.dataset_of(samples)
    if brain_key not in dataset.list_brain_runs():
        runs = dataset.list_brain_runs(type="similarity")
        hint = f"its similarity indexes are {runs}" if runs else "run simfind.build_index(samples, patches_field) first"
        raise BrainRunError(f'"{brain_key}" is no brain run of dataset "{dataset.name}"; {hint}')
    config = dataset.get_brain_info(brain_key).config
    if not getattr(config, "patches_field", None) or config.type != "similarity":
        raise BrainRunError(
            f'brain run "{brain_key}" of dataset "{dataset.name}" is no similarity index of objects; make one with '
            "simfind.build_index(samples, patches_field)"
        )
    if not config.embeddings_field:
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" keeps its vectors outside the dataset; make one on a '
            f'vector field with simfind.build_index(samples, "{config.patches_field}")'
        )
    return IndexFields(config.patches_field, config.embeddings_field.rpartition(".")[2])


def _read(dataset: Any, fields: IndexFields, whitening: Whitening | None) -> Gallery:
    path = _fields.objects_path(dataset, fields.patches_field)
    table = _fields.object_table(dataset, path, fields.embeddings_field)
    good = vx.usable(table.vectors)
    vectors = table.vectors[good]
    dim = vectors.shape[1]
    parts = _metric.recorded_parts(dataset, f"{path}.{fields.embeddings_field}") or wh.whole(dim)
    return Gallery(
        dataset.name,
        *fields,
        table.label_ids[good],
        table.sample_ids[good],
        table.labels[good],
        vectors=whitening.apply(vectors) if whitening else vx.normalize(vectors),
        dim=dim,
        parts=whitening.out if whitening else parts,
        whitening=whitening,
    )
