"""Fakes and toy data for tests of code that builds on fiftyone-simfind."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiftyone_simfind._types import Objects
from fiftyone_simfind.numerics import boxes as bx

# An object of each row: image, label, and the angle of its two-dimensional vector in degrees.
TOYS = [
    (0, "mug", 0.0),
    (0, "vase", 10.0),
    (1, "mug", 20.0),
    (1, "mug", 30.0),
    (2, "vase", 40.0),
    (2, None, 60.0),
    (3, "mug", 90.0),
    (3, "vase", 180.0),
]


class FakeDetector:
    """Finds the same objects in every image; an object's vector is the mean colour of its box, of length 1.

    Nothing is loaded or computed by a network, but vectors really depend on the pixels, so that rows which went astray
    show.

    Args:
        boxes: ``(n, 4)`` relative ``[x, y, width, height]``
        labels: ``n`` class names
        name: as of any :class:`Embedder`
    """

    def __init__(
        self,
        boxes: Any = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)),
        labels: Sequence[str] = ("left", "top", "bottom"),
        name: str = "fake",
    ):
        self.boxes = bx.as_boxes(boxes)
        self.labels = list(labels)
        self.name = name
        self.seen = 0

    def embed(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.float32]]:
        """Per image ``(n, 3)`` mean colours; NaN for boxes with no area inside the image."""
        self.seen += len(images)
        return [
            np.array([mean_color(image, box) for box in of_image], dtype=np.float32).reshape(-1, 3)
            for image, of_image in zip(images, boxes, strict=True)
        ]

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        confidence_thresh: float = 0.25,
        classes: Sequence[str] | None = None,
    ) -> list[Objects]:
        """The same objects for every image, with confidences 0.9, 0.8, ..."""
        sure = np.round(0.9 - 0.1 * np.arange(len(self.labels)), 6)
        keep = [
            row
            for row, label in enumerate(self.labels)
            if sure[row] >= confidence_thresh and (classes is None or label in classes)
        ]
        boxes, labels = self.boxes[keep], [self.labels[row] for row in keep]
        return [Objects(boxes, labels, sure[keep], v) for v in self.embed(images, [boxes] * len(images))]


def mean_color(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean colour inside a relative box, ``(3,)`` of length 1, or NaN where the box has no area."""
    if not bx.has_area([box])[0]:
        return np.full(3, np.nan)
    height, width = image.shape[:2]
    x0, y0, x1, y1 = bx.to_absolute(bx.clip([box]), (width, height))[0].round().astype(int)
    color = image[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)].reshape(-1, 3).mean(axis=0) + 1e-3
    return color / np.linalg.norm(color)


def toy_dataset(*, field: str = "objects", folder: str | Path | None = None) -> Any:
    """Four images with two objects each, whose vectors lie at the angles of ``TOYS``, so that cosines are known.

    Args:
        field: label field
        folder: where the images are written; default is a temporary folder
    """
    folder = Path(folder or tempfile.mkdtemp(prefix="toys-"))
    dataset = fo.Dataset()
    samples = []
    for image in range(4):
        path = folder / f"toy-{image}.png"
        Image.new("RGB", (64, 48), (60 * image, 90, 120)).save(path)
        detections = [_toy(label, angle, row) for row, (i, label, angle) in enumerate(TOYS) if i == image]
        samples.append(fo.Sample(filepath=str(path), **{field: fo.Detections(detections=detections)}))
    dataset.add_samples(samples, progress=False)
    dataset.add_sample_field(f"{field}.detections.embedding", fo.VectorField)
    return dataset


def _toy(label: str | None, angle: float, row: int) -> fo.Detection:
    radians = np.deg2rad(angle)
    vector = np.array([np.cos(radians), np.sin(radians)], dtype=np.float32)
    return fo.Detection(label=label, bounding_box=[0.5 * (row % 2), 0.1, 0.4, 0.8], embedding=vector)
