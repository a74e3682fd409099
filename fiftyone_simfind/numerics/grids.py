"""Numbers on a grid over a box, as a map of the whole image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import boxes as bx

LONGEST_SIDE = 512  # of a map, in its pixels


def at_most(size_wh: tuple[int, int], longest: int = LONGEST_SIDE) -> tuple[int, int]:
    """The size of a map of an image: as the image, or smaller, so that its longer side is at most ``longest``."""
    scale = min(1.0, longest / max(size_wh))
    width, height = (max(round(side * scale), 1) for side in size_wh)
    return width, height


def spread(cells: NDArray[np.floating], box: Sequence[float], size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """A grid over a box as a map of the image, zero outside of the box, and bilinear between the cells' centres.

    Args:
        cells: ``(rows, columns)`` on the part of the box inside the image, the top row first
        box: relative ``[x, y, width, height]``
        size_wh: of the map, in pixels

    Returns:
        ``(h, w)`` float32
    """
    x0, y0, x1, y1 = bx.to_absolute(bx.clip(box), size_wh)[0]
    across = _weights(x0, x1, size_wh[0], cells.shape[1])
    along = _weights(y0, y1, size_wh[1], cells.shape[0])
    return (along @ cells @ across.T).astype(np.float32)


def _weights(start: float, stop: float, length: int, cells: int) -> NDArray[np.float64]:
    """How much each of a line's pixels takes of each cell on ``[start, stop)``: ``(length, cells)``.

    Pixels belong to the span when their centre does; a span between two centres is given the pixel that it lies in.
    """
    first = min(round(start), length - 1)
    inside = np.arange(first, min(max(round(stop), first + 1), length))
    place = ((inside + 0.5 - start) / max(stop - start, 1e-9)) * cells - 0.5
    weights = np.zeros((length, cells))
    weights[inside] = np.stack([np.interp(place, np.arange(cells), row) for row in np.eye(cells)], axis=1)
    return weights
