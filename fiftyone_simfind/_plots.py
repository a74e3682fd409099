"""Pictures: targets and their matches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from fiftyone_simfind._report_plots import saved
from fiftyone_simfind._types import Match
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import boxes as bx

if TYPE_CHECKING:
    from fiftyone_simfind._explain import Explanation
    from fiftyone_simfind._results import SearchResults

INK = "#212529"
TARGET_COLOR = "#d9480f"
MATCH_COLOR = "#adb5bd"
TILE_INCHES = 1.45
TILE_PIXELS = 220
HEAT_COLORS, HEAT_ALPHA = "turbo", 0.6  # over the picture in grey, so that its colours and those of the map stay apart


def plot_matches(
    results: Sequence[SearchResults],
    path: str | Path | None = None,
    *,
    titles: Sequence[str] | None = None,
    max_matches: int = 8,
    explain: bool = False,
    model: Any = None,
) -> Any:
    """A row for each search: its target, then its matches with their scores, nearest first.

    Args:
        results: searches
        path: image file to write
        titles: what each search is, written at the left of its row
        max_matches: at most this many matches in a row
        explain: under each match, where it looks like the query, and what each part of the vectors gives to its score
        model: the model that made the vectors, for :meth:`fiftyone_simfind.SearchResults.explain`

    Returns:
        a matplotlib ``Figure``

    Raises:
        OptionError: there are not as many titles as searches
    """
    if titles is not None and len(titles) != len(results):
        raise OptionError(f"titles={list(titles)!r} must be {len(results)}, one for each search")
    columns = 1 + min(max_matches, max((len(found) for found in results), default=0))
    step = 2 if explain else 1  # rows of tiles for each search
    figure, axes = _tiles(step * max(len(results), 1), columns)
    for row, title in zip(axes[::step], titles or [], strict=False):
        _draw_title(row[0], title)
    for row, found in zip(axes[::step], results, strict=False):
        _draw_target(row[0], found)
        for axis, match in zip(row[1:], found.matches, strict=False):
            _draw(axis, match, f"{match.label or 'object'}  {match.score:.3f}", MATCH_COLOR, 1.0)
    for row, found in zip(axes[1::2] if explain else [], results, strict=False):
        for i in range(min(columns - 1, len(found))):
            _draw_heat(row[1 + i], found.explain(i, model=model))
        _draw_scale(row[0])
    return _finished(figure, path)


def plot_explanation(explanation: Explanation, path: str | Path | None = None) -> Any:
    """A match, beside it the same with its heat map, and the scale of that.

    Args:
        explanation: of the match
        path: image file to write

    Returns:
        a matplotlib ``Figure``
    """
    figure, ((plain, heat, scale),) = _tiles(1, 3)
    match = explanation.match
    _draw(plain, match, f"{match.label or 'object'}  {match.score:.3f}", MATCH_COLOR, 1.0)
    _draw_heat(heat, explanation)
    _draw_scale(scale)
    return _finished(figure, path)


def _tiles(rows: int, columns: int) -> tuple[Any, Any]:
    """A figure and its ``(rows, columns)`` axes, which show nothing yet."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(TILE_INCHES * columns, (TILE_INCHES + 0.4) * rows), dpi=150)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
        axis.set_box_aspect(1)
    return figure, axes


def _finished(figure: Any, path: str | Path | None) -> Any:
    figure.tight_layout(pad=0.5)
    return saved(figure, path)


def _draw_title(axis: Any, title: str) -> None:
    """What a row is, upward at the left of its first tile."""
    place = dict(transform=axis.transAxes, ha="right", va="center", rotation=90)
    axis.text(-0.06, 0.5, title, fontsize=8, weight="bold", color=INK, **place)


def _draw_target(axis: Any, found: SearchResults) -> None:
    """What was searched for, if it has a picture: the first of it."""
    for match in found.query[:1]:
        _draw(axis, match, f"target: {match.label or 'object'}", TARGET_COLOR, 3.0)
    for candidate in found.candidates[:1] if not found.query else []:
        if candidate.picture is not None:
            square = ImageOps.pad(candidate.picture, (TILE_PIXELS, TILE_PIXELS), color="white")
            _show(axis, square, f"target: {candidate.label or 'photo'}", TARGET_COLOR, 3.0)


def _draw(axis: Any, match: Match, title: str, color: str, width: float) -> None:
    _show(axis, crop(match), title, color, width)


def _show(axis: Any, picture: Image.Image, title: str, color: str, width: float) -> None:
    axis.imshow(picture)
    axis.set_title(title, fontsize=8, color=color if color == TARGET_COLOR else INK)
    frame(axis, color, width)


def _draw_heat(axis: Any, explanation: Explanation) -> None:
    """The match in grey under its heat map, and below it what the parts give to its score."""
    tile, (left, top, right, bottom) = tile_of(explanation.match)
    axis.imshow(tile.convert("L"), cmap="gray", vmin=-120, vmax=255)
    low, high = (round(float(end), 2) + 0.0 for end in (explanation.heatmap.min(), explanation.heatmap.max()))
    smooth = Image.fromarray(explanation.heatmap).resize((TILE_PIXELS, TILE_PIXELS), Image.Resampling.BILINEAR)
    axis.imshow(np.asarray(smooth), HEAT_COLORS, vmin=0, vmax=1, alpha=HEAT_ALPHA, extent=(left, right, bottom, top))
    axis.set(xlim=(-0.5, TILE_PIXELS - 0.5), ylim=(TILE_PIXELS - 0.5, -0.5))
    shares = "  ".join(f"{name} {round(share, 2) + 0.0:.2f}" for name, share in explanation.parts.items())
    axis.set_title(f"places {low:.2f} to {high:.2f}", fontsize=6, color=INK)
    axis.set_xlabel(shares, fontsize=5.5, color=INK, labelpad=3)
    frame(axis, MATCH_COLOR, 1.0)


def _draw_scale(axis: Any) -> None:
    """What the colours of the heat maps mean."""
    scale = axis.inset_axes((0.06, 0.5, 0.88, 0.07))
    scale.imshow(np.linspace(0, 1, 256)[None], HEAT_COLORS, alpha=HEAT_ALPHA, aspect="auto", extent=(0, 1, 0, 1))
    scale.set(yticks=[], xticks=[0, 0.5, 1])
    scale.tick_params(labelsize=6, length=2)
    scale.set_title("similarity of each place\nto the query", fontsize=6, color=INK)
    axis.text(
        0.5, 0.22, "beneath: what each part\ngives to the similarity", fontsize=6, color=INK, ha="center", va="top"
    )


def frame(axis: Any, color: str, width: float) -> None:
    axis.set_axis_on()
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(edgecolor=color, linewidth=width)


def crop(match: Match) -> Image.Image:
    """The object with a little of what is around it, on a white square of ``TILE_PIXELS``."""
    return tile_of(match)[0]


def tile_of(match: Match) -> tuple[Image.Image, list[float]]:
    """The crop of a match, and where on it the box lies as far as it is inside the image: left, top, right, bottom."""
    with Image.open(match.filepath) as image:
        whole = ImageOps.exif_transpose(image).convert("RGB")
    left, top, right, bottom = bx.around(match.bounding_box, whole.size)
    part = whole.crop((left, top, right, bottom))
    scale = TILE_PIXELS / max(part.size)
    white = (TILE_PIXELS - scale * np.array(part.size)) / 2  # on either side of the crop
    corners = bx.to_absolute(bx.clip(match.bounding_box), whole.size).reshape(2, 2) - [left, top]
    return ImageOps.pad(part, (TILE_PIXELS, TILE_PIXELS), color="white"), (corners * scale + white).ravel().tolist()
