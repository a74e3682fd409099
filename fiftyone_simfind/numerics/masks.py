"""What of a box is its object, where that is known: as a grid of shares over the part of the box inside the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fiftyone_simfind.numerics import boxes as bx

GRID = 32  # cells of a grid, to a side
POINTS = 2  # looked at in a cell of a rotated rectangle, to a side

Grid = NDArray[np.float32]


def of_mask(mask: NDArray, corners: ArrayLike) -> Grid:
    """The share of each cell of a box that a mask covers.

    Args:
        mask: ``(h, w)``, what is not 0 is the object
        corners: ``[x0, y0, x1, y1]`` of the box, in pixels of the mask; there is nothing beyond its edges

    Returns:
        ``(GRID, GRID)`` float32 in [0, 1], the top row first
    """
    x0, y0, x1, y1 = np.asarray(corners, np.float64)
    (top, bottom), (left, right) = _pixels(y0, y1, mask.shape[0]), _pixels(x0, x1, mask.shape[1])
    inside = (mask[top:bottom, left:right] != 0).astype(np.float32)
    down, across = (
        _overlaps(y0 - top, y1 - top, GRID, bottom - top),
        _overlaps(x0 - left, x1 - left, GRID, right - left),
    )
    return down @ inside @ across.T


def of_detection(mask: NDArray, box: ArrayLike) -> Grid:
    """The same for a mask that lies on the whole of a box, of which only what is inside the image counts.

    Args:
        mask: ``(h, w)``
        box: relative ``[x, y, width, height]``, with an area inside the image
    """
    whole, inner = bx.as_boxes(box)[0], bx.clip(box)[0]
    corners = bx.to_absolute((inner - [*whole[:2], 0, 0]) / np.tile(whole[2:], 2), (mask.shape[1], mask.shape[0]))[0]
    return of_mask(mask, corners)


def of_rectangle(rectangle: ArrayLike, corners: ArrayLike) -> Grid:
    """The share of each cell of a box that lies in a rotated rectangle.

    Args:
        rectangle: ``[x, y, width, height, radians]``, centre first, turned from x towards y
        corners: ``[x0, y0, x1, y1]`` of the box, in the same pixels
    """
    x, y, width, height, angle = np.asarray(rectangle, np.float64)
    x0, y0, x1, y1 = np.asarray(corners, np.float64)
    steps = (np.arange(GRID * POINTS) + 0.5) / (GRID * POINTS)
    right, down = x0 + (x1 - x0) * steps[None, :] - x, y0 + (y1 - y0) * steps[:, None] - y
    along, across = right * np.cos(angle) + down * np.sin(angle), down * np.cos(angle) - right * np.sin(angle)
    inside = (np.abs(along) <= width / 2) & (np.abs(across) <= height / 2)
    return inside.reshape(GRID, POINTS, GRID, POINTS).mean(axis=(1, 3)).astype(np.float32)


def coarser(grids: NDArray[np.float32], bins: int) -> NDArray[np.float32]:
    """Grids of fewer cells: ``(n, GRID, GRID)`` to ``(n, bins, bins)``, the means of what lies in each cell."""
    shares = _overlaps(0, GRID, bins, GRID)
    return (shares @ grids @ shares.T).astype(np.float32)


def _pixels(start: float, stop: float, length: int) -> tuple[int, int]:
    """The first of a line's pixels that ``[start, stop)`` touches, and one after the last."""
    first = min(max(int(np.floor(start)), 0), length)
    return first, min(max(int(np.ceil(stop)), first), length)


def _overlaps(start: float, stop: float, bins: int, length: int) -> Grid:
    """The share of each of the bins on ``[start, stop)`` that lies in each of a line's pixels: ``(bins, length)``."""
    edges = np.linspace(start, max(stop, start + 1e-9), bins + 1)
    pixels = np.arange(length)
    common = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (common.clip(min=0) / (edges[1] - edges[0])).astype(np.float32)
