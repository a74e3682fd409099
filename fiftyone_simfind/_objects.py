"""Objects of a dataset as they are in the database now: some by their ids, or all of them a batch at a time.

An engine knows ids and vectors alone. What else a search has to know of the objects that an engine names is read here,
for these objects and no others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bson import ObjectId
from fiftyone import ViewField as F
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind.backend.objects import decode

CHUNK = 1000  # objects asked for at a time
BATCH = 1000  # objects that MongoDB sends at a time


class Object(NamedTuple):
    """An object of a dataset, and its vector as the model gave it, if it has one."""

    label_id: str
    sample_id: str
    label: str | None
    vector: NDArray | None


class Source:
    """The objects of a field, with the vectors of one of their attributes.

    Args:
        dataset: a FiftyOne dataset
        patches_field: field of ``Detections``
        embeddings_field: attribute that holds the vectors
    """

    def __init__(self, dataset: Any, patches_field: str, embeddings_field: str):
        self.dataset = dataset
        self.patches_field = patches_field
        self.path = _fields.objects_path(dataset, patches_field)
        self.attribute = embeddings_field
        self.vectors = f"{self.path}.{embeddings_field}"

    def index_ids(self) -> None:
        """Have MongoDB find objects by id without reading all samples."""
        self.dataset.create_index(f"{self.path}.id")

    def by_id(self, label_ids: Collection[str]) -> dict[str, Object]:
        """Those objects that are there."""
        wanted = [ObjectId(label_id) for label_id in label_ids if ObjectId.is_valid(label_id)]
        chunks = (wanted[start : start + CHUNK] for start in range(0, len(wanted), CHUNK))
        return {found.label_id: found for chunk in chunks for found in self._find(chunk)}

    def batches(self) -> Iterator[list[Object]]:
        """All objects that have a vector, in the order of the dataset, ``CHUNK`` of them at a time."""
        batch = []
        for found in self._find():
            if found.vector is not None:
                batch.append(found)
            if len(batch) == CHUNK:
                yield batch
                batch = []
        if batch:
            yield batch

    def _find(self, ids: Sequence[ObjectId] | None = None) -> Iterator[Object]:
        parts = dict.fromkeys([f"{self.path}.{name}" for name in ("_id", "label", self.attribute)], 1)
        pipeline: list[dict] = [{"$project": parts}, {"$unwind": f"${self.path}"}]
        if ids is not None:
            # Before, so that only their samples are read, and after, because a sample holds other objects too.
            match = {"$match": {f"{self.path}._id": {"$in": ids}}}
            pipeline = [match, *pipeline, match]
        for document in self.dataset._sample_collection.aggregate(pipeline, batchSize=BATCH):
            found: Any = document
            for name in self.path.split("."):
                found = found[name]
            vector = decode(found.get(self.attribute))
            yield Object(str(found["_id"]), str(document["_id"]), found.get("label"), vector)


def shown(view: Any, patches_field: str, objects: Sequence[Object]) -> set[str]:
    """The ids of those of some objects that a view shows."""
    label_ids = [found.label_id for found in objects]
    if _fields.patches_field_of(view) is not None:
        return set(_fields.label_ids(view.select(label_ids), patches_field))
    # The samples first: MongoDB looks at no others then, unless the view counts or sorts them.
    some = view.select(list({found.sample_id for found in objects}))
    return set(_fields.label_ids(some.select_labels(ids=label_ids, fields=patches_field), patches_field))


def few(
    samples: Any, patches_field: str, *, labels: Iterable[str] | None, not_labels: Collection[str], at_most: int
) -> list[str] | None:
    """The ids of all objects of some classes that a dataset or view shows, or None where they are too many."""
    view = samples
    if labels is not None:
        view = view.filter_labels(patches_field, F("label").is_in(list(labels)))
    if not_labels:
        view = view.filter_labels(patches_field, ~F("label").is_in(list(not_labels)))
    ids: list[dict] = [{"$project": {"_id": 1}}]
    if _fields.patches_field_of(view) is None:
        path = f"${_fields.objects_path(view, patches_field)}"
        ids = [{"$project": {"id": f"{path}._id"}}, {"$unwind": "$id"}, {"$project": {"_id": "$id"}}]
    found = [str(document["_id"]) for document in view._aggregate(pipeline=[*ids, {"$limit": at_most + 1}])]
    return found if len(found) <= at_most else None
