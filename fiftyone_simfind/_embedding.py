"""Vectors for boxes: through a model, onto the detections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fiftyone_simfind import _fields
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._types import Embedder, EmbedReport


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
        return embedder.embed(pictures, [item.boxes for item in some])

    def write(done: list) -> None:
        good = _fields.write_made(samples, path, embedder.name, done)
        report.images += len(done)
        report.objects += good
        report.without_vector += sum(len(item.label_ids) for item, _ in done) - good

    batches.run(items, total, pool, write, report)
    return report
