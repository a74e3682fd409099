"""What of a network's feature maps belongs to an object, drawn over its image: what a search compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fiftyone_simfind import _explain, _plots
from fiftyone_simfind._explain import Compared
from fiftyone_simfind._types import Match
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import components

if TYPE_CHECKING:
    from fiftyone_simfind._results import SearchResults

WHOLE_PIXELS = 900  # the longer side of an image that is shown as a whole
WHOLE_COLUMNS = 2.4  # its width, in tiles
TITLE, GAP = 0.22, 0.06  # inches for a line of text, and between pictures
ALPHA = 0.8  # of a cell that counts


@dataclass(frozen=True)
class FeatureSlice:
    """The slice of a network's feature maps that belongs to an object, as a grid of 7 x 7 cells over its box.

    Attributes:
        match: the object
        vectors: ``(7, 7, d)`` float32 of length 1: each cell as if it were an object of its own, as the index compares
            it, rows from top to bottom of what is inside the image
        weights: ``(7, 7)`` float32 of sum 1: how much each cell counts in the object's vector, low on the background
        colors: ``(7, 7, 3)`` in [0, 1]: red, green and blue are the first three principal components of the vectors
            among all cells of one search, each counted by its weight
    """

    match: Match
    vectors: NDArray[np.float32] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)
    colors: NDArray[np.float64] = field(repr=False)

    @property
    def rgba(self) -> NDArray[np.float64]:
        """``(7, 7, 4)`` the colours, and how opaque they are: the less, the farther a cell is from an even share."""
        return np.dstack([self.colors, ALPHA * np.minimum(self.weights * self.weights.size, 1)])


def plot_features(
    results: Sequence[SearchResults], path: str | Path | None = None, *, max_matches: int = 6, model: Any = None
) -> Any:
    """For each search, what was compared: the slices of the feature maps that belong to target and matches.

    On the left is the target's whole image with the slice drawn over its box, then the target and its matches, each
    above its slice and with its score. A slice is a grid of 7 x 7 cells. A cell's colour is made of the first three
    principal components of its vector, as the index compares it, among all cells of the search's objects: where two
    cells of a row are of one colour, the network sees alike things. A cell that counts less than its even share in the
    vector of its object is fainter, and background hardly seen. Colours of two searches say nothing about each other.

    The network that made the vectors looks at the images again.

    Args:
        results: searches for objects of the dataset; of several examples the first is shown
        path: image file to write
        max_matches: at most this many matches of each
        model: the model that made the vectors; default is to load it from where it was loaded then

    Returns:
        a matplotlib ``Figure``

    Raises:
        FieldError: simfind did not make the vectors
        ModelError: the model cannot be loaded, is not the one that made the vectors, or sees crops as a whole
        OptionError: there are no searches, or an option is out of range
        QueryError: a search was not for an object of the dataset
    """
    if not results:
        raise OptionError("plot_features() was given no searches; give a list of those that simfind.search gives")
    rows = [found.features(max_matches=max_matches, model=model) for found in results]
    figure, grid = _grid(len(rows), max(map(len, rows)))
    for number, row in enumerate(rows):
        first = 3 * number
        _draw_whole(figure.add_subplot(grid[first : first + 2, 0]), row[0])
        for column, piece in enumerate(row, 1):
            above, below = (figure.add_subplot(grid[first + step, column]) for step in (0, 1))
            _draw(above, below, piece, is_target=column == 1)
    if path is not None:
        figure.savefig(path)
    return figure


def features(samples: Any, objects: Sequence[Match], compared: Compared, model: Any) -> list[FeatureSlice]:
    """The slices of some objects, in colours that mean the same in all of them."""
    from fiftyone_simfind.models import images

    vectors, weights = [], []
    for match in objects:
        describe = _explain.cells_of(samples, compared.path, model, match)
        cells, counts = describe(images.read(match.filepath), match.bounding_box)
        vectors.append(np.nan_to_num(compared.as_indexed(cells.reshape(counts.size, -1))))
        weights.append(counts)
    colors = components.colors(np.concatenate(vectors), np.concatenate(weights, axis=None))
    return [
        FeatureSlice(match, cells.reshape(*counts.shape, -1), counts, part.reshape(*counts.shape, 3))
        for match, cells, counts, part in zip(objects, vectors, weights, np.split(colors, len(objects)), strict=True)
    ]


def _grid(searches: int, tiles: int) -> tuple[Any, Any]:
    """A figure with three rows for each search, the last for text: a wide column, and one for each tile."""
    from matplotlib.figure import Figure

    tile = _plots.TILE_INCHES
    width, height = tile * (WHOLE_COLUMNS + tiles) + GAP * (tiles + 2), searches * (2 * tile + 2 * TITLE + 2 * GAP)
    figure = Figure(figsize=(width, height), dpi=150)
    grid = figure.add_gridspec(
        3 * searches,
        1 + tiles,
        width_ratios=[WHOLE_COLUMNS, *[1] * tiles],
        height_ratios=[tile, tile, 2 * TITLE] * searches,
        left=GAP / width,
        right=1 - GAP / width,
        top=1 - TITLE / height,
        bottom=0,
        wspace=GAP * (1 + tiles) / (width - (tiles + 2) * GAP),
        hspace=GAP * 3 * searches / height,
    )
    return figure, grid


def _draw_whole(axis: Any, piece: FeatureSlice) -> None:
    """The image of an object, with the slice over the object's box."""
    with Image.open(piece.match.filepath) as image:
        whole = ImageOps.exif_transpose(image).convert("RGB")
    whole.thumbnail((WHOLE_PIXELS, WHOLE_PIXELS))
    left, top, right, bottom = bx.to_absolute(bx.clip(piece.match.bounding_box), whole.size)[0] - 0.5
    pixels = np.asarray(whole).copy()
    inside = slice(round(top + 0.5), round(bottom + 0.5)), slice(round(left + 0.5), round(right + 0.5))
    pixels[inside] = np.asarray(whole.convert("L"))[inside][..., None]
    axis.imshow(pixels)
    axis.imshow(piece.rgba, extent=(left, right, bottom, top), interpolation="nearest")
    axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=_plots.TARGET_COLOR, linewidth=2)
    axis.set(xlim=(-0.5, whole.width - 0.5), ylim=(whole.height - 0.5, -0.5))
    axis.set_title("the target's slice of the feature maps", fontsize=8, color=_plots.TARGET_COLOR)
    _plots.frame(axis, _plots.MATCH_COLOR, 1.0)


def _draw(above: Any, below: Any, piece: FeatureSlice, *, is_target: bool) -> None:
    """An object, and below it its slice."""
    color, width = (_plots.TARGET_COLOR, 3.0) if is_target else (_plots.MATCH_COLOR, 1.0)
    tile, (left, top, right, bottom) = _plots.tile_of(piece.match)
    above.imshow(tile)
    below.imshow(tile.convert("L"), cmap="gray", vmin=0, vmax=255)
    below.imshow(piece.rgba, extent=(left, right, bottom, top), interpolation="nearest")
    below.set(xlim=(-0.5, _plots.TILE_PIXELS - 0.5), ylim=(_plots.TILE_PIXELS - 0.5, -0.5))
    label = piece.match.label or "object"
    above.set_title("target" if is_target else label, fontsize=8, color=color if is_target else _plots.INK)
    below.set_xlabel(label if is_target else f"{piece.match.score:.3f}", fontsize=8, color=_plots.INK, labelpad=3)
    for axis in (above, below):
        _plots.frame(axis, color, width)
