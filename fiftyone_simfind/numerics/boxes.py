"""Bounding boxes: relative and absolute, clipped and letterboxed.

Names carry the frame: ``xywh`` is top-left corner and size, ``xyxy`` two corners. Relative boxes are fractions of the
image, absolute ones pixels; the origin is always the image's top-left corner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MARGIN = 0.12  # of an object's size, shown around it in pictures


class Letterbox(NamedTuple):
    """Where an image lies on its letterboxed canvas, in canvas pixels."""

    left: int
    top: int
    width: int
    height: int


def as_boxes(boxes: ArrayLike) -> FloatArray:
    """Boxes as a ``(n, 4)`` float64 array, also for no boxes at all."""
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def clip(boxes_xywh: ArrayLike) -> FloatArray:
    """The part of each relative box that lies inside the image.

    Args:
        boxes_xywh: ``(n, 4)`` relative boxes; may reach beyond the image

    Returns:
        ``(n, 4)`` relative boxes within [0, 1]; a box wholly outside has no area
    """
    boxes = as_boxes(boxes_xywh)
    corners = np.clip(np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]), 0.0, 1.0)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def has_area(boxes_xywh: ArrayLike) -> NDArray[np.bool_]:
    """Whether each relative box covers any part of the image, ``(n,)`` bool; NaN never does."""
    boxes = clip(boxes_xywh)
    return (boxes[:, 2] > 0) & (boxes[:, 3] > 0)


def to_absolute(boxes_xywh: ArrayLike, size_wh: tuple[float, float]) -> FloatArray:
    """Relative ``xywh`` boxes as absolute ``xyxy`` ones: ``(n, 4)``, pixels of an image of the given size."""
    boxes = as_boxes(boxes_xywh)
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    return corners * np.tile(np.asarray(size_wh, dtype=np.float64), 2)


def to_relative(boxes_xyxy: ArrayLike, size_wh: tuple[float, float]) -> FloatArray:
    """Absolute ``xyxy`` boxes as relative ``xywh`` ones, the inverse of :func:`to_absolute`."""
    corners = as_boxes(boxes_xyxy) / np.tile(np.asarray(size_wh, dtype=np.float64), 2)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])


def letterbox(size_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> Letterbox:
    """Where an image lies on the canvas that ultralytics' ``LetterBox`` made for it.

    The image's longer side fills the canvas' longer side; its shorter one is centred, and the canvas there is no longer
    than the stride needs. The rounding is ultralytics'.
    """
    width, height = size_wh
    scale = max(canvas_wh) / max(size_wh)
    new_w, new_h = round(width * scale), round(height * scale)
    left = round((canvas_wh[0] - new_w) / 2 - 0.1)
    top = round((canvas_wh[1] - new_h) / 2 - 0.1)
    return Letterbox(left, top, new_w, new_h)


def inner_cells(start: ArrayLike, length: ArrayLike, stride: int, cells: ArrayLike) -> tuple[IntArray, IntArray]:
    """The runs of map cells whose centres lie inside ``[start, start + length)`` canvas pixels.

    Args:
        start: of each run, in pixels, of any shape; the others of the same, or one for all
        length: in pixels
        stride: pixels of a cell
        cells: how many there are

    Returns:
        ``(first, last + 1)``; never empty, so that an image thinner than a cell has one
    """
    begin, count = np.asarray(start) / stride - 0.5, np.asarray(cells)
    first = np.minimum(np.maximum(np.ceil(begin), 0), count - 1)
    stop = np.minimum(np.maximum(np.floor(begin + np.asarray(length) / stride) + 1, first + 1), count)
    return first.astype(np.int64), stop.astype(np.int64)


def iou(boxes_xywh: ArrayLike, others_xywh: ArrayLike) -> FloatArray:
    """Intersection over union of every box with every other: ``(n, 4)`` and ``(m, 4)`` to ``(n, m)`` in [0, 1]."""
    a, b = as_boxes(boxes_xywh)[:, None], as_boxes(others_xywh)[None]
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.clip(high - low, 0, None).prod(axis=-1)
    either = a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def around(box_xywh: ArrayLike, size_wh: tuple[int, int], margin: float = MARGIN) -> tuple[int, int, int, int]:
    """The whole pixels of a relative box and of a margin around it, as far as they lie inside the image.

    Args:
        box_xywh: relative ``[x, y, width, height]``
        size_wh: of the image, in pixels
        margin: on each side, as a share of the box's width and height

    Returns:
        left, top, right and bottom; at least one pixel, also of a box that lies outside
    """
    x, y, w, h = (float(number) for number in np.asarray(box_xywh))
    left, right = _span(x - margin * w, x + (1 + margin) * w, size_wh[0])
    top, bottom = _span(y - margin * h, y + (1 + margin) * h, size_wh[1])
    return left, top, right, bottom


def _span(start: float, stop: float, length: int) -> tuple[int, int]:
    """A relative span in pixels, inside ``length`` of them and at least one long."""
    first = min(max(round(start * length), 0), length - 1)
    return first, min(max(round(stop * length), first + 1), length)
