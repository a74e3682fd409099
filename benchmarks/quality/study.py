"""One data set in the vectors of one network, made as a user makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np

import fiftyone_simfind as simfind
from benchmarks.quality.data import CODE, ObjectSet, Remembering, Rivals, embed_all
from benchmarks.quality.judge import Vectors
from fiftyone_simfind._gallery import Gallery, load
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.numerics.parts import Part

FIELD = "objects"


@dataclass
class Study:
    """A data set in the vectors of one network, as an index holds it.

    Attributes:
        objects: the data set
        model: the network's weights
        dataset: FiftyOne's, with the index "simfind"
        report: of ``simfind.evaluate``
        raw: ``(n, d)`` vectors as the network gives them
        rivals: ``(n, d)`` other vectors of the same objects, by name
    """

    objects: ObjectSet
    model: Path
    dataset: Any
    report: Any
    raw: Vectors
    rivals: dict[str, Vectors]

    @property
    def title(self) -> str:
        """The data set and the network."""
        return f"{self.objects.name}, {self.model.stem}"

    @cached_property
    def gallery(self) -> Gallery:
        """The objects as the index compares them, in the data set's order."""
        return load(self.dataset, "simfind")

    @cached_property
    def parts(self) -> list[Part]:
        """What the numbers of ``raw`` are."""
        assert self.gallery.whitening is not None
        return list(self.gallery.whitening.parts)


def make(objects: ObjectSet, model: Path, cache: Path | None) -> Study:
    """Embed, index and evaluate a data set by the public functions; and the rivals' vectors of its objects."""
    dataset = to_dataset(objects)
    with embedder(model, objects, cache) as chosen:
        simfind.embed(dataset, FIELD, model=chosen, image_size=objects.image_size, progress=False)
    simfind.build_index(dataset, FIELD)
    report = simfind.evaluate(dataset, label_attr="label", k=(1, 5), map_k=100, progress=False)
    found = dataset.values(f"{FIELD}.detections.embedding")
    raw = np.array([vector for vectors in found for vector in vectors], np.float32)
    others = Rivals(str(model), objects.image_size)
    kept = Remembering(others, cache, f"{objects.name}-{model.stem}-rivals", (*CODE, Rivals))
    together = embed_all(kept, objects)
    kept.save()
    rivals = {name: together[:, columns] for name, columns in others.columns.items()}
    return Study(objects, model, dataset, report, raw, rivals)


@contextmanager
def embedder(model: Path, objects: ObjectSet, cache: Path | None) -> Iterator[Any]:
    """What to give to ``simfind.embed``: the weights' path, or what an earlier run kept of them."""
    if cache is None:
        yield str(model)
        return
    network = load_embedder(str(model), image_size=objects.image_size)
    kept = Remembering(network, cache, f"{objects.name}-{model.stem}", CODE)
    yield kept
    kept.save()


def to_dataset(objects: ObjectSet) -> Any:
    """The images with their objects, whose label is their class, in the field "objects"."""
    labels = np.split(objects.classes, np.cumsum([len(found) for found in objects.boxes])[:-1])
    samples = [
        fo.Sample(
            filepath=str(path.resolve()),
            **{FIELD: fo.Detections(detections=[detection(*one) for one in zip(boxes, names, strict=True)])},
        )
        for path, boxes, names in zip(objects.files, objects.boxes, labels, strict=True)
    ]
    dataset = fo.Dataset()
    dataset.add_samples(samples, progress=False)
    return dataset


def detection(box: Any, label: Any) -> fo.Detection:
    return fo.Detection(label=str(label), bounding_box=[float(side) for side in box])
