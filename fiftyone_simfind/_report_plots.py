"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import location

if TYPE_CHECKING:
    import pandas as pd

    from fiftyone_simfind._location_report import LocationReport
    from fiftyone_simfind._tables import ChangeResult

INK = "#212529"
BLUE = "#1c7ed6"
GRAY = "#adb5bd"
FEW = 15  # up to so many classes, cells say their value
CELL_INCHES = 0.16
LONGEST_NAME = 22
PAD_INCHES = 0.06  # of white around what is drawn


def plot_correspondence(table: pd.DataFrame, title: str, path: str | Path | None = None) -> Any:
    """A heat map of classes that were found for classes, such as ``RetrievalReport.correspondence()``.

    Args:
        table: shares in [0, 1], a row for each class of the queries, a column for each of what was found
        title: what they are
        path: image file to write

    Returns:
        a matplotlib ``Figure``
    """
    few = max(table.shape) <= FEW
    cell = 3 * CELL_INCHES if few else CELL_INCHES
    size = (table.shape[1] * cell + 3.4, table.shape[0] * cell + 2.4)
    figure, axis = _figure(size)
    shares = table.to_numpy()
    drawn = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axis.set_xticks(range(table.shape[1]), [_short(name) for name in table.columns], rotation=90)
    axis.set_yticks(range(table.shape[0]), [_short(name) for name in table.index])
    axis.tick_params(labelsize=8 if few else 7, length=0)
    axis.set(xlabel="found", ylabel="searched for")
    axis.set_title(title, fontsize=10, color=INK)
    if few:
        for row, column in np.argwhere(shares >= 0.005):
            color = "white" if shares[row, column] > 0.55 else INK
            axis.text(column, row, f"{shares[row, column]:.2f}", ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(drawn, ax=axis, fraction=0.03, pad=0.02)
    return saved(figure, path)


def plot_quality_and_time(
    points: Sequence[tuple[str, float | None, float]], measure: str, path: str | Path | None = None
) -> Any:
    """A point for each model: quality upward, time to the right.

    Args:
        points: name, milliseconds for an object, quality; without a time it becomes a line
        measure: what the quality is
        path: image file to write

    Returns:
        a matplotlib ``Figure``
    """
    from matplotlib.ticker import LogLocator

    figure, axis = _figure((6.4, 4.2))
    for number, (name, ms, quality) in enumerate(sorted(points, key=lambda point: point[2])):
        if ms is None:
            axis.axhline(quality, color=GRAY, linestyle="--", linewidth=1, zorder=0)
            axis.annotate(name, (0.995, quality), (0, 2), **_label(axis.get_yaxis_transform(), "right", "bottom"))
            continue
        axis.scatter([ms], [quality], color=BLUE, s=28)
        side = "bottom" if number % 2 else "top"
        offset = (0, 6) if number % 2 else (0, -6)
        axis.annotate(name, (ms, quality), offset, **_label("data", "center", side))
    if any(ms is not None for _, ms, _ in points):
        axis.set_xscale("log")
        for which, locator in (("major", (1.0,)), ("minor", (2.0, 5.0))):
            getattr(axis.xaxis, f"set_{which}_locator")(LogLocator(subs=locator))
            getattr(axis.xaxis, f"set_{which}_formatter")("{x:g}")
    axis.margins(x=0.25, y=0.2)
    axis.set(xlabel="milliseconds for an object, reading the image included", ylabel=measure)
    axis.grid(alpha=0.3, which="both")
    axis.set_axisbelow(True)
    return saved(figure, path)


def _label(frame: Any, across: str, along: str) -> dict[str, Any]:
    return dict(
        xycoords=frame, textcoords="offset points", ha=across, va=along, fontsize=8, color=INK, annotation_clip=False
    )


def plot_robustness(results: Sequence[ChangeResult], title: str, path: str | Path | None = None) -> Any:
    """A line for each change, from the cosine to other objects up to that to the same object.

    Args:
        results: of ``RobustnessReport``
        title: what was measured
        path: image file to write

    Returns:
        a matplotlib ``Figure``
    """
    figure, axis = _figure((6.8, 0.38 * len(results) + 1.5))
    places = np.arange(len(results))[::-1]
    same, other = [r.same for r in results], [r.other for r in results]
    axis.hlines(places, other, same, color=GRAY, linewidth=2, zorder=1)
    axis.scatter(other, places, color=GRAY, s=34, label="another object", zorder=2)
    axis.scatter(same, places, color=BLUE, s=34, label="the same object", zorder=3)
    for place, result in zip(places, results, strict=True):
        found = "" if np.isnan(result.nearest) else f"{result.nearest:.0%}"
        axis.annotate(found, (1.02, place), (0, 0), **_label(axis.get_yaxis_transform(), "left", "center"))
    axis.annotate("found\nagain", (1.02, 1), (0, 3), **_label("axes fraction", "left", "bottom"))
    axis.set_yticks(places, [result.change for result in results], fontsize=8)
    axis.set_xlabel("mean cosine to the vector before the change", fontsize=9)
    axis.set_title(title, fontsize=10, color=INK, loc="left")
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.28 * 4 / (len(results) + 3)), ncols=2)
    return saved(figure, path)


def plot_location(report: LocationReport, path: str | Path | None = None) -> Any:
    """Which share of the matches, and of all objects, lies within each distance of the query: in place and in size.

    Args:
        report: what was measured
        path: image file to write

    Returns:
        a matplotlib ``Figure``
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 3.7), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    pairs, k = report.pairs, report.k
    _draw_distances(left, pairs.place, pairs.place_histogram, location.LONGEST, k)
    _draw_distances(right, pairs.size, pairs.size_histogram, location.LARGEST, k)
    for axis, name, found in ((left, "place", report.place), (right, "size", report.size)):
        title = f"{name}: {found.ratio:.3f} of chance ({found.low:.3f} to {found.high:.3f})"
        axis.set_title(title, fontsize=10, color=INK, loc="left")
    left.set_xlabel("distance of the centres, 1 is a side of the image", fontsize=9)
    left.set_ylabel("share of objects within that distance", fontsize=9)
    right.set_xlabel("ratio of the sizes", fontsize=9)
    ticks = np.arange(0, right.get_xlim()[1] + 0.01, 0.5 if right.get_xlim()[1] <= 2 else 1)
    right.set_xticks(ticks, ["equal", *(f"{2**tick:.2g} times" for tick in ticks[1:])])
    right.legend(fontsize=8, loc="lower right")
    return saved(figure, path)


def _draw_distances(axis: Any, near: NDArray, histogram: NDArray, longest: float, k: int) -> None:
    """Two cumulative distributions: of the matches' distances, and of all objects' as shares on equal bins."""
    edges = np.linspace(0, longest, len(histogram) + 1)
    shares = np.histogram(near.clip(max=longest), edges)[0] / near.size
    for bins, color, label in ((histogram, GRAY, "all objects of its class"), (shares, BLUE, f"its {k} nearest")):
        axis.plot(edges, [0, *np.cumsum(bins)], color=color, linewidth=2, label=label)
    reach = float(edges[np.searchsorted(np.cumsum(histogram), 0.999) + 1])
    axis.set(ylim=(0, 1.01), xlim=(0, min(np.ceil(2 * reach) / 2, longest)))
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.3)


def _figure(size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=150, layout="constrained")
    return figure, figure.subplots()


def saved(figure: Any, path: str | Path | None) -> Any:
    """A figure, after it was written to a file if one is given, with as little white around it as there can be."""
    if path is not None:
        figure.savefig(path, bbox_inches="tight", pad_inches=PAD_INCHES)
    return figure


def _short(name: Any) -> str:
    text = str(name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
