"""Which rows of an index a view shows, remembered until the dataset changes."""

from __future__ import annotations

import json
from typing import Any

import fiftyone.core.patches as fop
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.backend.rows import Rows
from fiftyone_simfind.errors import CollectionError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics.ids import Ids

# A document {_id: ObjectId} as BSON: its length, the type and name of its only field, the id, and a zero.
ONLY_ID = np.dtype([("before", "V9"), ("id", f"S{idx.WIDTH}"), ("end", "V1")])


def rows_of(rows: Rows, view: Any, patches_field: str | None) -> tuple[NDArray[np.intp], int]:
    """The rows that a view shows, in its order, and how many of the things that it shows have none.

    Raises:
        CollectionError: it shows patches of another field
    """
    key = _key(view)
    if key not in rows.views:
        found = rows.find(_ids(view, patches_field))
        rows.remember(key, (found[found >= 0], int((found < 0).sum())))
    return rows.views[key]


def mask_of(rows: Rows, view: Any, patches_field: str | None) -> NDArray[np.bool_]:
    """Whether a view shows each row, ``(n,)`` bool."""
    key = ("mask", *_key(view))
    if key not in rows.views:
        mask = np.zeros(len(rows.table.ids), bool)
        found = rows.find(_ids(view, patches_field, ordered=False))
        mask[found[found >= 0]] = True
        rows.remember(key, (mask, 0))
    return rows.views[key][0]


def _key(view: Any) -> tuple:
    """Something that differs when a view, or what it shows, is another."""
    collection = view._root_dataset._sample_collection
    newest = collection.find_one({}, {"last_modified_at": 1}, sort=[("last_modified_at", -1)]) or {}
    stages = json.dumps(view.view()._serialize(include_uuids=False), sort_keys=True, default=str)
    return (
        view._dataset.name,
        view.group_slice,
        stages,
        newest.get("last_modified_at"),
        collection.estimated_document_count(),
    )


def _ids(view: Any, patches_field: str | None, *, ordered: bool = True) -> Ids:
    if isinstance(view, fop.PatchesView) and patches_field is not None:
        if view.patches_field != patches_field:
            raise CollectionError(
                f'the view shows patches of "{view.patches_field}", but the index covers "{patches_field}"; give the '
                f'dataset, or patches of "{patches_field}"'
            )
        return _collect(view, "_id") if ordered or view._stages else _every(view._dataset._sample_collection)
    if patches_field is None:
        return _collect(view, "_sample_id" if view._is_patches else "_id")
    return _collect(view, view._get_label_field_path(patches_field, "_id")[1])


def _every(collection: Any) -> Ids:
    """The ids of all documents of a collection, in no order.

    They come from the index of the ids, without the documents, and are cut out of the replies as they are.
    """
    batches = collection.find_raw_batches({}, {"_id": 1}, hint="_id_")
    return np.ascontiguousarray(np.frombuffer(b"".join(batches), ONLY_ID)["id"])


def _collect(view: Any, path: str) -> Ids:
    found: list[bytes] = []
    for document in view._aggregate(post_pipeline=[{"$project": {"_id": 0, "ids": f"${path}"}}]):
        some = document.get("ids")
        if isinstance(some, list):
            found.extend([one.binary for one in some])
        elif some is not None:
            found.append(some.binary)
    return idx.pack(found)
