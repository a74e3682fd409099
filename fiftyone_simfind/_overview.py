"""What a dataset has of all that a search takes, and what comes next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fiftyone_simfind import _fields, _gallery
from fiftyone_simfind._refresh import status
from fiftyone_simfind._types import IndexStatus
from fiftyone_simfind.backend import NAME
from fiftyone_simfind.errors import SimfindError

STEPS = ("detect", "embed", "build_index", "refresh", "visualize", None)
MANY = 2000  # modified samples from which on it takes too long to find out what has changed in them
MIN_MAPPED = 4  # objects that a map needs


@dataclass(frozen=True)
class VectorsOverview:
    """An attribute of a field's objects that holds vectors.

    Attributes:
        attribute: its name
        count: how many objects have one
        impossible: how many can have none, having no area inside their image
        model: name of the model that made them; None where simfind did not
        weights: the file or the name that the model was loaded from, or None
    """

    attribute: str
    count: int
    impossible: int
    model: str | None
    weights: str | None


@dataclass(frozen=True)
class FieldOverview:
    """A field of objects.

    Attributes:
        patches_field: its name
        objects: how many there are
        unseen: images in which :func:`detect`, which filled the field, has not looked for objects yet
        vectors: the attributes that hold vectors
        score_fields: the attributes that hold the scores of searches
        next_step: the verb to call next: ``"detect"``, ``"embed"``, ``"build_index"``, ``"refresh"``, ``"visualize"``,
            or None where all is there
    """

    patches_field: str
    objects: int
    unseen: int
    vectors: list[VectorsOverview]
    score_fields: list[str]
    next_step: str | None


@dataclass(frozen=True)
class IndexOverview:
    """An index of objects.

    Attributes:
        brain_key: its name
        patches_field: the field of the objects
        embeddings_field: the attribute of their vectors; None for vectors outside the dataset
        backend: what keeps it
        size: how many objects it has; None where that cannot be told without opening it
        stale: whether a refresh may change something; None where that cannot be told
        status: how it stands to the dataset; None where that cannot be told, or not quickly
        version: name of its present version, another one after every change; None where that cannot be told
    """

    brain_key: str
    patches_field: str
    embeddings_field: str | None
    backend: str
    size: int | None
    stale: bool | None
    status: IndexStatus | None
    version: str | None = None


@dataclass(frozen=True)
class VisualizationOverview:
    """A map of objects.

    Attributes:
        viz_key: its name
        method: ``"umap"``, ``"pca"`` or ``"tsne"``
        patches_field: the field of the objects
        brain_key: the index that it was made of, or None
    """

    viz_key: str
    method: str
    patches_field: str
    brain_key: str | None


@dataclass(frozen=True)
class Overview:
    """What a dataset has of all that a search takes.

    Attributes:
        dataset: its name
        samples: how many images it has
        fields: its fields of objects
        indexes: its indexes of objects
        visualizations: its maps of objects
    """

    dataset: str
    samples: int
    fields: list[FieldOverview]
    indexes: list[IndexOverview]
    visualizations: list[VisualizationOverview]

    @property
    def next_step(self) -> str | None:
        """The verb to call next, for the field that has come furthest; ``"detect"`` where there are no objects."""
        best = self.best
        return "detect" if best is None else best.next_step

    @property
    def best(self) -> FieldOverview | None:
        """The field that has come furthest, the first of several; None where there is none."""
        return max(self.fields, key=lambda field: STEPS.index(field.next_step), default=None)

    def field(self, patches_field: str) -> FieldOverview | None:
        """What is known of a field, or None where it is no field of objects."""
        return next((field for field in self.fields if field.patches_field == patches_field), None)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON types."""
        return {**asdict(self), "next_step": self.next_step}

    def __str__(self) -> str:
        lines = [f'dataset "{self.dataset}": {self.samples:,} images; next: {self.next_step or "nothing"}']
        for field in self.fields:
            made = ", ".join(f'{v.count:,} vectors "{v.attribute}" ({v.model})' for v in field.vectors)
            told = f"; {made}" if made else ""
            lines.append(
                f'"{field.patches_field}": {field.objects:,} objects{told}; next: {field.next_step or "nothing"}'
            )
        for index in self.indexes:
            size = "" if index.size is None else f", {index.size:,} objects"
            lines.append(f'index "{index.brain_key}" of "{index.patches_field}" ({index.backend}){size}')
        lines += [f'map "{found.viz_key}" of "{found.patches_field}" ({found.method})' for found in self.visualizations]
        return "\n".join(lines)


def overview(samples: Any) -> Overview:
    """What a dataset has of all that a search takes: objects, vectors, indexes and maps; and what comes next.

    No vectors are loaded: a dataset of 100,000 objects takes about half a second::

        print(simfind.overview(dataset))
        simfind.overview(dataset).field("objects").next_step  # "build_index"

    Args:
        samples: dataset or view; told is of the whole dataset

    Raises:
        CollectionError: the samples are no images
    """
    _fields.require_collection(samples)
    _fields.catch_up(samples)
    every = _fields.images(_fields.everything(samples))
    dataset = _fields.dataset_of(every)
    indexes = [_index(dataset, key, config) for key, config in _fields.object_runs(dataset, "similarity").items()]
    maps = [
        VisualizationOverview(key, config.method, config.patches_field, getattr(config, "similarity_index", None))
        for key, config in _fields.object_runs(dataset, "visualization").items()
    ]
    fields = [_field(dataset, counts, indexes, maps) for counts in _fields.count_vectors(dataset)]
    return Overview(dataset.name, every.count(), fields, indexes, maps)


def _field(
    dataset: Any, counts: _fields.Counts, indexes: list[IndexOverview], maps: list[VisualizationOverview]
) -> FieldOverview:
    name, vectors = counts.patches_field, []
    for attribute, (count, impossible) in counts.vectors.items():
        facts = _fields.recorded(dataset, f"{name}.detections.{attribute}") or {}
        vectors.append(VectorsOverview(attribute, count, impossible, facts.get("model"), facts.get("weights")))
    own = [index for index in indexes if index.patches_field == name]
    mapped = any(found.patches_field == name for found in maps)
    unseen = counts.unseen if _fields.recorded(dataset, name) else 0
    step = "detect" if unseen and not own else _next(counts.objects, vectors, own, mapped)
    return FieldOverview(name, counts.objects, unseen, vectors, _fields.score_fields(dataset, name), step)


def _next(objects: int, vectors: list[VectorsOverview], indexes: list[IndexOverview], mapped: bool) -> str | None:
    """The verb to call next for a field."""
    if not objects:
        return "detect"
    there = max((v.count for v in vectors), default=0)
    if not indexes:
        if not there or all(v.model and v.count + v.impossible < objects for v in vectors):
            return "embed"
        return "build_index"
    if any(index.stale for index in indexes):
        return "refresh"
    return None if mapped or there < MIN_MAPPED else "visualize"


def _index(dataset: Any, brain_key: str, config: Any) -> IndexOverview:
    attribute = (config.embeddings_field or "").rpartition(".")[2] or None
    size, stale, stands, version = None, None, None, None
    try:
        attribute = _gallery.vector_fields(dataset, brain_key).embeddings_field
        if config.method == NAME:
            index = _gallery.our_index(dataset, brain_key)
            size, version = len(index.rows.living), index.rows.sidecar.version
            stale = index.home.modified(index.rows) > MANY
            stands = None if stale else status(dataset, brain_key=brain_key)
            stale = stale or (stands is not None and not stands.up_to_date)
    except SimfindError:  # it has to be made anew; whoever uses it is told why
        pass
    return IndexOverview(brain_key, config.patches_field, attribute, config.method, size, stale, stands, version)
