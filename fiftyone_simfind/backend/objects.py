"""Objects and their vectors as they lie in MongoDB, read in bulk and with little memory.

FiftyOne's ``values()`` takes some 45 microseconds for a vector, most of them for finding out anew what every one of
them looks like. Here that is found out once.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import fiftyone.core.labels as fol
import numpy as np
from bson import ObjectId
from numpy.typing import NDArray
from pymongo.errors import OperationFailure

from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics.ids import Ids, Lookup

SAMPLES = 1000  # read at a time
MOMENTS = 10_000  # times asked for at a time
STAMP = "_stamp"  # after the name of a vector field: what each vector was made of


def all_slices(samples: Any) -> Any:
    """The samples; of grouped ones the images in all of their slices, of which they show one alone."""
    return samples.select_group_slices(media_type="image") if samples.media_type == "group" else samples


class Versions(NamedTuple):
    """``(s,)`` S12 of all samples, and ``(s,)`` int64 when each was last modified, in milliseconds; 0 is unknown."""

    samples: Ids
    modified: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some samples and what they hold; row ``i`` of all but the first two belongs to one object.

    Attributes:
        samples: ``(s,)`` S12
        modified: ``(s,)`` int64 milliseconds
        ids: ``(n,)`` S12
        sample_rows: ``(n,)`` int32, places in ``samples``
        labels: classes, or None
        boxes: relative ``[x, y, width, height]``, or None
        stamps: ``(n,)`` int64, 0 where there is none
        vectors: 1-D arrays as they were stored, or None
    """

    samples: Ids
    modified: NDArray[np.int64]
    ids: Ids
    sample_rows: NDArray[np.int32]
    labels: list[str | None]
    boxes: list[list[float] | None]
    stamps: NDArray[np.int64]
    vectors: list[NDArray | None]


class Source:
    """The field that an index is of, in a dataset.

    Args:
        dataset: a FiftyOne dataset
        patches_field: field of the objects; None for an index of whole samples
        embeddings_field: name of the vector field, inside of the objects where there are any
    """

    def __init__(self, dataset: Any, patches_field: str | None, embeddings_field: str):
        self._dataset = dataset
        self.path, self._name = embeddings_field, embeddings_field
        self._objects: str | None = None
        self._is_list = False
        if patches_field:
            kind, self.path = dataset._get_label_field_path(patches_field, embeddings_field.rpartition(".")[2])
            self._objects, _, self._name = self.path.rpartition(".")
            self._is_list = issubclass(kind, fol._LABEL_LIST_FIELDS)

    def versions(self, known: Ids | None = None, times: NDArray[np.int64] | None = None) -> Versions:
        """All samples of the dataset, and when each was last modified.

        Args:
            known: samples whose times are known; then only the database's indexes, and the samples that were modified
                since, are looked at
            times: these, ``(s,)`` int64 milliseconds
        """
        present = idx.pack([doc["_id"].binary for doc in self._find({}, {"_id": 1}).hint("_id_")])
        modified = np.zeros(len(present), np.int64)
        conditions: list[dict] = [{}]
        if known is not None and times is not None:
            at = Lookup(known).find(present)
            modified[at >= 0] = times[at[at >= 0]]
            conditions = self._more_at(modified[at >= 0])
        for condition in conditions:
            found = [(doc["_id"].binary, _milliseconds(doc)) for doc in self._find(condition, {"last_modified_at": 1})]
            place = Lookup(present).find(idx.pack([pair[0] for pair in found]))
            new = np.array([pair[1] for pair in found], np.int64)
            modified[place[place >= 0]] = new[place >= 0]
        return Versions(present, modified)

    def _more_at(self, times: NDArray[np.int64]) -> list[dict]:
        """Conditions for the samples modified at times at which more samples are now than were before.

        A sample that was modified has left its old time and come to a new one, whatever the clocks of the machines that
        write to the database.
        """
        before = dict(zip(*(column.tolist() for column in np.unique(times, return_counts=True)), strict=True))
        group = [{"$group": {"_id": "$last_modified_at", "count": {"$sum": 1}}}]
        collection = self._dataset._sample_collection
        try:
            now = list(collection.aggregate(group, hint="last_modified_at_1"))
        except OperationFailure:  # a dataset of a FiftyOne that did not make this index yet
            now = list(collection.aggregate(group))
        moments = [
            found["_id"]
            for found in now
            if found["_id"] is None or found["count"] > before.get(_milliseconds({"last_modified_at": found["_id"]}), 0)
        ]
        chunks = (moments[start : start + MOMENTS] for start in range(0, len(moments), MOMENTS))
        return [{"last_modified_at": {"$in": chunk}} for chunk in chunks]

    def batches(self, samples: Ids | None = None) -> Iterator[Batch]:
        """All objects in the order of the dataset, or those of some samples, S12."""
        filters: Iterable[dict] = [{}]
        if samples is not None:
            chunks = (samples[start : start + SAMPLES] for start in range(0, len(samples), SAMPLES))
            filters = ({"_id": {"$in": [ObjectId(text) for text in idx.to_hex(chunk).tolist()]}} for chunk in chunks)
        for condition in filters:
            documents: list[dict] = []
            for document in self._find(condition, self._projection()):
                documents.append(document)
                if len(documents) == SAMPLES:
                    yield self._batch(documents)
                    documents = []
            if documents:
                yield self._batch(documents)

    def _find(self, condition: dict, projection: dict) -> Any:
        condition = {**condition, **self._only_images()}
        return self._dataset._sample_collection.find(condition, projection, batch_size=SAMPLES)

    def _only_images(self) -> dict:
        """A condition for the samples of grouped ones that are images: boxes in point clouds have no vectors."""
        kinds = self._dataset.group_media_types or {}
        names = [name for name, kind in kinds.items() if kind == "image"]
        if self._objects is None or len(names) == len(kinds):
            return {}
        return {f"{self._dataset.group_field}.name": {"$in": names}}

    def _projection(self) -> dict:
        names = [self._name, self._name + STAMP]
        if self._objects is not None:
            names = [f"{self._objects}.{name}" for name in (*names, "_id", "label", "bounding_box")]
        return dict.fromkeys([*names, "last_modified_at"], 1)

    def _batch(self, documents: list[dict]) -> Batch:
        rows = [(place, item) for place, document in enumerate(documents) for item in self._items(document)]
        items = [item for _, item in rows]
        return Batch(
            idx.pack([document["_id"].binary for document in documents]),
            np.array([_milliseconds(document) for document in documents], np.int64),
            idx.pack([item["_id"].binary for item in items]),
            np.array([place for place, _ in rows], np.int32),
            [item.get("label") for item in items],
            [item.get("bounding_box") for item in items],
            np.array([item.get(self._name + STAMP) or 0 for item in items], np.int64),
            [decode(item.get(self._name)) for item in items],
        )

    def _items(self, document: dict) -> list[dict]:
        """What one sample holds: its objects, or itself."""
        if self._objects is None:
            return [document]
        found: Any = document
        for name in self._objects.split("."):
            found = (found or {}).get(name)
        if self._is_list:
            return found or []
        return [found] if found else []


def encode(vector: NDArray) -> bytes:
    """A vector as FiftyOne stores it: a ``.npy`` file in zlib's format.

    It is not made smaller, which FiftyOne does: that takes 7 % of a vector's bytes away, and makes it take 20 times as
    long to be written and 8 times as long to be read, by whoever reads it.
    """
    return zlib.compress(_header(vector.dtype.str, vector.shape) + vector.tobytes(), 0)


@cache
def _header(kind: str, shape: tuple[int, ...]) -> bytes:
    with io.BytesIO() as file:
        facts = {"descr": kind, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, facts)
        return file.getvalue()


def decode(value: Any) -> NDArray | None:
    """A vector out of what FiftyOne stores for it: the compressed bytes of a ``.npy`` file, or a list."""
    if value is None or not isinstance(value, bytes):
        return None if value is None else np.asarray(value, np.float32)
    stored = zlib.decompress(value)
    start = 10 + int.from_bytes(stored[8:10], "little")
    read = _readers.get(stored[:start])
    if read is None:
        read = _readers.setdefault(stored[:start], _reader(stored))
    return read(stored)


_readers: dict[bytes, Callable[[bytes], NDArray]] = {}


def _reader(example: bytes) -> Callable[[bytes], NDArray]:
    """A function that reads all vectors whose header is that of an example, without looking at it again."""
    array = np.load(io.BytesIO(example), allow_pickle=False)
    dtype, offset = array.dtype, len(example) - array.nbytes
    return lambda stored: np.frombuffer(stored, dtype, offset=offset)


def _milliseconds(document: dict) -> int:
    moment = document.get("last_modified_at")
    return 0 if moment is None else round(moment.timestamp() * 1000)
