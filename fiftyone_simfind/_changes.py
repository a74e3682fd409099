"""Changes of images, with the boxes in them: what an object should look the same after."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fiftyone_simfind.numerics import boxes as bx

GRAY = 114  # what ultralytics pads with

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Change = Callable[[Pixels, Boxes], tuple[Pixels, Boxes]]


def scale(factor: float) -> Change:
    """The picture drawn larger or smaller in the middle of a canvas of its own size: cropped, or padded with grey.

    A network that scales every image to one size would undo a mere change of the number of pixels.
    """

    def change(image: Pixels, boxes: Boxes) -> tuple[Pixels, Boxes]:
        height, width = image.shape[:2]
        size = max(1, round(width * factor)), max(1, round(height * factor))
        resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
        middle = (width - size[0]) // 2, (height - size[1]) // 2
        return _on_canvas(np.asarray(resized), boxes, (width, height), middle)

    return change


def shift(right: float, down: float) -> Change:
    """The picture moved on a canvas of its own size, by shares of its width and height; what is left free is grey."""

    def change(image: Pixels, boxes: Boxes) -> tuple[Pixels, Boxes]:
        height, width = image.shape[:2]
        return _on_canvas(image, boxes, (width, height), (round(right * width), round(down * height)))

    return change


def _on_canvas(
    image: Pixels, boxes_xywh: ArrayLike, canvas_wh: tuple[int, int], corner: tuple[int, int]
) -> tuple[Pixels, Boxes]:
    """An image with its top-left corner at a place of a canvas, and its boxes relative to the canvas."""
    canvas = np.full((canvas_wh[1], canvas_wh[0], 3), GRAY, dtype=np.uint8)
    (left, top), (height, width) = corner, image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, canvas_wh[0]), min(top + height, canvas_wh[1])
    canvas[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
    moved = bx.to_absolute(boxes_xywh, (width, height)) + np.tile(corner, 2)
    return canvas, bx.to_relative(moved, canvas_wh)


def flip(image: Pixels, boxes: Boxes) -> tuple[Pixels, Boxes]:
    """The mirror image, left and right exchanged."""
    mirrored = boxes.copy()
    mirrored[:, 0] = 1 - boxes[:, 0] - boxes[:, 2]
    return np.ascontiguousarray(image[:, ::-1]), mirrored


def brightness(factor: float) -> Change:
    """All pixels times a factor, up to white."""

    def change(image: Pixels, boxes: Boxes) -> tuple[Pixels, Boxes]:
        return np.clip(image * np.float32(factor), 0, 255).round().astype(np.uint8), boxes

    return change


def jpeg(quality: int) -> Change:
    """The picture as a JPEG file of a quality keeps it."""

    def change(image: Pixels, boxes: Boxes) -> tuple[Pixels, Boxes]:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image[..., ::-1])).save(file, "JPEG", quality=quality)
        with Image.open(file) as kept:
            return np.ascontiguousarray(np.asarray(kept)[..., ::-1]), boxes

    return change


# The shifts are no whole number of a network's cells: 10 % of 640 pixels would be two of 32, and change nothing.
CHANGES: Mapping[str, Change] = {
    "shift 2%": shift(0.02, 0.02),
    "shift 8%": shift(0.08, 0.08),
    "scale 0.5": scale(0.5),
    "scale 0.75": scale(0.75),
    "scale 1.5": scale(1.5),
    "flip": flip,
    "brightness 0.6": brightness(0.6),
    "brightness 1.5": brightness(1.5),
    "JPEG 30": jpeg(30),
}


def inside(boxes_xywh: ArrayLike) -> NDArray[np.bool_]:
    """Whether each relative box lies wholly inside its image, ``(n,)``; a rounding error beyond it does not matter."""
    boxes: Any = bx.as_boxes(boxes_xywh)
    return bx.has_area(boxes) & (np.abs(bx.clip(boxes) - boxes) < 1e-6).all(axis=1)
