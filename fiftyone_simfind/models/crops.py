"""Vectors of objects from networks that see one crop at a time: cutting the crops, and running them in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import vectors as vx

BATCH_SIZE = 32  # crops in a forward pass, where the network does not say
CROPS_AN_IMAGE = 4  # that a pass is filled with; images with more make several of it
FITS = ("squash", "letterbox", "context")
FIT = "letterbox"  # docs/crops.md has the comparison
PADDING = 0.0

Crop = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Vectors = NDArray[np.float32]
Corners = tuple[int, int, int, int]  # left, top, right and bottom, in pixels


class Features(Protocol):
    """What turns crops into vectors: a network with its transforms.

    ``fill`` is the colour, RGB, that stands for nothing: the mean of the pictures that the network was trained on.
    There may be ``batch_size``, crops of a call at most; ``streams``, how many threads may call it at once; and
    ``engine``, the name of what runs it.
    """

    fill: tuple[int, int, int]
    dim: int

    def __call__(self, crops: Sequence[Crop]) -> NDArray:
        """``(n, dim)`` features of ``n`` crops, each ``(h, w, 3)`` uint8 RGB of any size."""
        ...


class CropEmbedder:
    """Gives every box the features of its crop. Meets the ``Embedder`` protocol.

    The crops of all images of a call share the forward passes. There are boxes only here: the pixels around an
    object's mask are part of its crop. Safe to share between threads where ``features`` is.

    Args:
        features: the network
        name: tells its vectors from those of others; how the crops are cut is added to it
        fit: how a box becomes a square: ``"squash"`` scales width and height apart, ``"letterbox"`` keeps the shape
            and pads it with ``features.fill``, ``"context"`` keeps it and takes what surrounds the box
        padding: by which share of its width and height a box is widened on each side first

    Attributes:
        name: tells these vectors from those of another network, or of crops cut in another way
        dim: length of the vectors
        takes_prompts: whether the network gives vectors for words, too
        engine: name of what runs the network, where there is a choice
        streams: how many threads may call it at once, and should, for most crops a second
        batch_size: images of a call, likewise
    """

    def __init__(self, features: Features, name: str, *, fit: str = FIT, padding: float = PADDING):
        if fit not in FITS:
            raise OptionError(f'fit="{fit}" must be one of {FITS}')
        if not 0 <= padding <= 1:
            raise OptionError(f"padding={padding} must lie in [0, 1]: it is a share of the box's size")
        self._features, self._fit, self._padding = features, fit, padding
        self.name = f"{name} {fit}" + (f" +{padding:g}" if padding else "")
        self.dim = features.dim
        self.takes_prompts = getattr(features, "takes_prompts", False)
        self.engine: str | None = getattr(features, "engine", None)
        self.streams: int = getattr(features, "streams", 1)
        self._most: int = getattr(features, "batch_size", BATCH_SIZE)
        self.batch_size = max(self._most // CROPS_AN_IMAGE, CROPS_AN_IMAGE)

    def embed(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes]) -> list[Vectors]:
        """The vectors of boxes.

        Args:
            images: ``(h, w, 3)`` uint8, BGR
            boxes: for each image ``(n, 4)`` relative ``[x, y, width, height]``; clipped to the image

        Returns:
            for each image ``(n, dim)`` float32 of length 1; NaN for a box with no area inside its image
        """
        if not len(images):
            return []
        stacked = np.concatenate([bx.as_boxes(of_image) for of_image in boxes])
        good = bx.has_area(stacked)
        vectors = np.full((len(stacked), self.dim), np.nan, dtype=np.float32)
        found = [self._features(some) for some in self._passes(self._crops(images, boxes), int(good.sum()))]
        if found:
            vectors[good] = vx.normalize(np.concatenate(found))
        return np.split(vectors, np.cumsum([len(of_image) for of_image in boxes])[:-1])

    def _passes(self, crops: Iterator[Crop], count: int) -> Iterator[list[Crop]]:
        """Crops in as few passes as can be, and as even ones."""
        passes = -(-count // self._most)
        yield from (list(islice(crops, (count + number) // passes)) for number in range(passes))

    def _crops(self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes]) -> Iterator[Crop]:
        """The crops of all boxes that have an area, image by image."""
        for image, of_image in zip(images, boxes, strict=True):
            inside = bx.as_boxes(of_image)
            for box in inside[bx.has_area(inside)]:
                yield cut(image, box, fit=self._fit, padding=self._padding, fill=self._features.fill)


def cut(
    image: NDArray[np.uint8],
    box_xywh: NDArray[np.float64],
    *,
    fit: str = FIT,
    padding: float = PADDING,
    fill: tuple[int, int, int] = (0, 0, 0),
) -> Crop:
    """What a network sees of a box, in the image's own pixels.

    Args:
        image: ``(h, w, 3)`` uint8, BGR
        box_xywh: relative ``[x, y, width, height]``, with an area inside the image
        fit: as in :class:`CropEmbedder`
        padding: likewise
        fill: RGB colour of what lies in no picture

    Returns:
        ``(h, w, 3)`` uint8, RGB, at least 1 x 1; a square, unless ``fit`` is ``"squash"``
    """
    size_wh = (image.shape[1], image.shape[0])
    inside = _corners(box_xywh, size_wh, padding)
    frame = inside if fit == "squash" else _square_around(inside)
    if fit == "context":
        left, top, right, bottom = frame
        inside = (max(left, 0), max(top, 0), min(right, size_wh[0]), min(bottom, size_wh[1]))
    x0, y0, x1, y1 = inside
    pixels: Crop = cv2.cvtColor(image[y0:y1, x0:x1], cv2.COLOR_BGR2RGB)  # type: ignore[assignment]
    if inside == frame:
        return pixels
    left, top, right, bottom = frame
    canvas = np.full((bottom - top, right - left, 3), fill, dtype=np.uint8)
    canvas[y0 - top : y1 - top, x0 - left : x1 - left] = pixels
    return canvas


def _corners(box_xywh: NDArray[np.float64], size_wh: tuple[int, int], padding: float) -> Corners:
    """The whole pixels of a widened box inside the image; at least one, however small the box."""
    x, y, w, h = box_xywh
    wider = bx.clip([[x - padding * w, y - padding * h, w + 2 * padding * w, h + 2 * padding * h]])
    x0, y0, x1, y1 = (int(corner) for corner in bx.to_absolute(wider, size_wh)[0].round())
    x0, y0 = min(x0, size_wh[0] - 1), min(y0, size_wh[1] - 1)
    return x0, y0, max(x1, x0 + 1), max(y1, y0 + 1)


def _square_around(corners: Corners) -> Corners:
    """The square with the same centre, to the pixel, and the longer side."""
    x0, y0, x1, y1 = corners
    side = max(x1 - x0, y1 - y0)
    left, top = x0 - (side - (x1 - x0)) // 2, y0 - (side - (y1 - y0)) // 2
    return left, top, left + side, top + side
