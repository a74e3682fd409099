"""A dataset of many objects with vectors, without images, written as fast as MongoDB takes it."""

from __future__ import annotations

import io
import zlib
from datetime import datetime, timezone
from typing import Any

import numpy as np
from bson import ObjectId
from numpy.typing import NDArray

PER_IMAGE = 10
CENTRES, SPREAD = 2000, 0.7
CLASSES = [f"class {number:02d}" for number in range(20)]
CHUNK = 1000  # images written at a time


def name_of(count: int, dim: int) -> str:
    """The dataset's name."""
    return f"bench-{count}-{dim}"


def vectors(count: int, dim: int, seed: int = 51) -> NDArray[np.float32]:
    """``(count, dim)`` around some centres, of length 1."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).standard_normal((CENTRES, dim), dtype=np.float32)
    x = centres[rng.integers(CENTRES, size=count)]
    x += SPREAD * rng.standard_normal((count, dim), dtype=np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def make(count: int, dim: int) -> Any:
    """The dataset, made now."""
    import fiftyone as fo

    dataset = fo.Dataset(name_of(count, dim), overwrite=True, persistent=True)
    dataset.media_type = "image"
    dataset.add_sample_field("objects", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    dataset.add_sample_field("objects.detections.embedding", fo.VectorField)
    add(dataset, vectors(count, dim))
    return dataset


def add(dataset: Any, found: NDArray[np.float32]) -> None:
    """Add images with objects that have these vectors."""
    now = datetime.now(timezone.utc).replace(tzinfo=None)
    images = [found[start : start + PER_IMAGE] for start in range(0, len(found), PER_IMAGE)]
    for start in range(0, len(images), CHUNK):
        documents = [document(dataset, start + i, some, now) for i, some in enumerate(images[start : start + CHUNK])]
        dataset._sample_collection.insert_many(documents, ordered=False)
    dataset.reload()


def document(dataset: Any, number: int, found: NDArray[np.float32], now: datetime) -> dict[str, Any]:
    """An image as FiftyOne stores it."""
    boxes = np.random.default_rng(number).uniform(0, 0.5, (len(found), 4)).round(4).tolist()
    detections = [
        {
            "_id": ObjectId(),
            "_cls": "Detection",
            "attributes": {},
            "tags": [],
            "label": CLASSES[(number + row) % len(CLASSES)],
            "bounding_box": box,
            "confidence": 0.9,
            "embedding": stored(vector),
        }
        for row, (box, vector) in enumerate(zip(boxes, found, strict=True))
    ]
    return {
        "_id": ObjectId(),
        "filepath": f"/nowhere/{number}.jpg",
        "tags": [],
        "_media_type": "image",
        "_rand": (number * 0.618034) % 1,
        "metadata": None,
        "_dataset_id": dataset._doc.id,
        "created_at": now,
        "last_modified_at": now,
        "objects": {"_cls": "Detections", "detections": detections},
    }


def stored(vector: NDArray[np.float32]) -> bytes:
    """A vector as FiftyOne stores it."""
    file = io.BytesIO()
    np.save(file, vector, allow_pickle=False)
    return zlib.compress(file.getvalue(), 1)
