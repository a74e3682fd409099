"""Vectors for boxes: through a model, onto the detections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._types import Embedder, EmbedReport

FEW = 64  # images


def run(
    samples: Any,
    path: str,
    embedder: Embedder,
    batches: Batches,
    items: Iterable[BoxedImage],
    total: int,
    report: EmbedReport,
) -> EmbedReport:
    """Take the boxes of some images through a model and write their vectors; what is done stays when it is stopped.

    Args:
        samples: where the images are from
        path: of the vectors
        embedder: the model
        batches: how the images are read
        items: images with their boxes
        total: how many there are
        report: is filled in, and returned
    """

    def pool(some: list, pictures: list) -> list:
        return vectors(embedder, some, pictures)

    def write(done: list) -> None:
        good = _fields.write_made(samples, path, embedder.name, done)
        report.images += len(done)
        report.objects += good
        report.without_vector += sum(len(item.label_ids) for item, _ in done) - good

    batches.of(embedder).run(items, total, pool, write, report)
    return report


def engine_for(view: Any, engine: str, cluster: str | None) -> str:
    """The engine to load a model with in this process.

    A few images are done before a faster engine is found and ready; the machines of a cluster choose for themselves.

    Raises:
        OptionError: there is no such engine
    """
    from fiftyone_simfind.models import engines

    engines.check_name(engine)
    few = engine == "auto" and view.count() < FEW
    return "torch" if cluster or few else engine


def takes_masks(embedder: Any) -> bool:
    """Whether a model looks at the masks of objects, where they have any."""
    return getattr(embedder, "takes_masks", False)


def vectors(embedder: Embedder, some: Sequence[BoxedImage], pictures: Sequence[NDArray[np.uint8]]) -> list:
    """What a model makes of the objects of some images: for each image ``(n, d)``."""
    known = {"masks": [item.masks for item in some]} if takes_masks(embedder) else {}
    return embedder.embed(pictures, [item.boxes for item in some], **known)
