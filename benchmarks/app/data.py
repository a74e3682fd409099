"""The same dataset for each backend: small images with many objects, and an index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.index import data

FIELD, VECTORS = "objects", "embedding"
PER_IMAGE = 20
SIDE = 64  # pixels of an image


class Objects:
    """What every dataset of a size holds, and where it is.

    Args:
        size: how many objects
        dim: numbers of a vector
        folder: where all files are
    """

    def __init__(self, size: int, dim: int, folder: Path):
        self.size, self.dim, self._folder = size, dim, folder / str(size)
        self._ids = self._folder / "ids.json"

    def name(self, backend: str) -> str:
        """The name of a backend's dataset."""
        return f"{backend}-{self.size}-{self.dim}"

    def nearest(self, k: int) -> Any:
        """A function that gives the ids of the ``k`` objects that are most like one, itself the first."""
        ids, vectors = json.loads(self._ids.read_text()), self.vectors()
        rows = {label_id: row for row, label_id in enumerate(ids)}
        return lambda query: [ids[row] for row in np.argsort(-vectors @ vectors[rows[query]], kind="stable")[:k]]

    def vectors(self) -> NDArray[np.float32]:
        """``(n, d)`` of length 1."""
        return data.vectors(self.size, self.dim)

    def make(self, backends: tuple[str, ...]) -> None:
        """A dataset with an index for each backend; they hold the same objects under the same ids."""
        (self._folder / "images").mkdir(parents=True)
        datasets = [self._declare(backend) for backend in backends]
        documents = self._images(datasets[0])
        found = [str(one["_id"]) for image in documents for one in image["objects"]["detections"]]
        self._ids.write_text(json.dumps(found))
        for dataset, backend in zip(datasets, backends, strict=True):
            for start in range(0, len(documents), data.CHUNK):
                some = [{**one, "_dataset_id": dataset._doc.id} for one in documents[start : start + data.CHUNK]]
                dataset._sample_collection.insert_many(some)
            dataset.reload()
            _index(dataset, backend)

    def _declare(self, backend: str) -> Any:
        import fiftyone as fo

        dataset = fo.Dataset(self.name(backend), persistent=True)
        dataset.media_type = "image"
        dataset.add_sample_field(FIELD, fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
        dataset.add_sample_field(f"{FIELD}.detections.{VECTORS}", fo.VectorField)
        return dataset

    def _images(self, dataset: Any) -> list[dict[str, Any]]:
        """Images with objects, as FiftyOne stores them."""
        vectors, documents = self.vectors(), []
        for number, start in enumerate(range(0, self.size, PER_IMAGE)):
            some = vectors[start : start + PER_IMAGE]
            one = data.document(dataset, number, some, dataset.created_at.replace(tzinfo=None))
            one["filepath"] = _draw(self._folder / "images" / f"{number}.png", number)
            one["metadata"] = {"_cls": "ImageMetadata", "mime_type": "image/png", "width": SIDE, "height": SIDE}
            documents.append(one)
        return documents


def _index(dataset: Any, backend: str) -> None:
    """Index the objects as the users of a backend do."""
    import fiftyone.brain as fob

    import fiftyone_simfind as simfind

    if backend == "simfind":
        simfind.build_index(dataset, FIELD)
    else:
        fob.compute_similarity(dataset, patches_field=FIELD, embeddings=VECTORS, brain_key=backend, backend=backend)


def _draw(path: Path, number: int) -> str:
    """An image of coloured squares."""
    from PIL import Image

    colours = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.NEAREST).save(path)
    return str(path)
