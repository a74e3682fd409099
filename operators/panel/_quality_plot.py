"""A report of an evaluation as numbers, a table and a heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._forms import plural
from ._plots import CLEAR, GRAY, SHARES, plain

MAX_CLASSES = 80
FEW = 16  # up to so many classes, cells say their value
LEAST = 0.005  # share from which on they do
STRONG = 0.35  # share from which on a cell is bright


def summary(report: Any) -> list[dict[str, str]]:
    """The measures that matter most: what each is called, what it says in a sentence, and its value."""
    means, many, deep = report.means, max(report.cutoffs.k), report.cutoffs.map_k
    shown = {f"P@{k}": f"This share of the {k} nearest objects has the same class." for k in report.cutoffs.k}
    if "P@1" in shown:
        shown["P@1"] = "In this share of the searches, the nearest object has the same class."
    shown[f"recall@{many}"] = f"This share of all objects of the same class is among the {many} nearest."
    shown[f"mAP@{deep}"] = f"How early those of the same class come, in the first {deep}: 1 if before all others."
    shown["R-precision"] = "Of a class with 12 others, this share of the 12 nearest is right; of each class likewise."
    return [{"name": name, "value": f"{means[name]:.3f}", "about": about} for name, about in shown.items()]


def counts(report: Any) -> str:
    """What was searched for, in words."""
    words = [
        f"{plural(report.queries, 'object was', 'objects were')} searched for among {report.objects:,}, and right is "
        f"what has the same “{report.label_attr}”"
    ]
    if report.without_relevant:
        words.append(f"{plural(report.without_relevant, 'object')} without another of the same to find left out")
    if report.without_attribute:
        words.append(f"{plural(report.without_attribute, 'object has', 'objects have')} no “{report.label_attr}”")
    return "; ".join(words)


def heatmap_caption(report: Any) -> str:
    """How to read the heat map."""
    k = max(report.cutoffs.k)
    return (
        f"A row is a class that was searched for: the shares of each class among its {k} nearest objects. Where all is "
        "right, only the diagonal is bright"
    )


def per_class(report: Any) -> Any:
    """A table with a line for each class, the columns named as they are shown."""
    known = report.per_class()
    best = f"mAP@{report.cutoffs.map_k}"
    columns = ["queries", *(f"P@{k}" for k in report.cutoffs.k), best]
    table = known[columns].rename(columns={"queries": "objects"})
    table.insert(0, "class", [str(name) for name in known.index])
    return table


def labels(cell: tuple[Any, Any]) -> tuple[str, str]:
    """The classes of a cell in words."""
    return str(cell[0]), str(cell[1])


def heatmap(table: Any) -> list[dict[str, Any]]:
    """The shares; each cell carries its number, row by row, as ``customdata``."""
    shares = table.to_numpy()
    rows, columns = shares.shape
    hover = [[f"{plain(a)} → {plain(b)}" for b in table.columns] for a in table.index]
    cells = [
        {
            "type": "heatmap",
            "z": np.round(shares, 3).tolist(),
            "customdata": np.arange(rows * columns).reshape(rows, columns).tolist(),
            "hovertext": hover,
            "hovertemplate": "%{hovertext}: %{z:.1%}<extra></extra>",
            "colorscale": SHARES,
            "zmin": 0,
            "zmax": 1,
            "xgap": 1,
            "ygap": 1,
            "colorbar": {"tickformat": ".0%", "thickness": 10, "outlinewidth": 0, "len": 0.6},
        }
    ]
    if max(shares.shape) > FEW:
        return cells
    strong = shares >= STRONG
    return [*cells, _numbers(shares, strong, "#111111"), _numbers(shares, ~strong & (shares >= LEAST), GRAY)]


def _numbers(shares: NDArray[np.float64], where: NDArray[np.bool_], color: str) -> dict[str, Any]:
    """The shares of some cells in percent; Plotly's own choice of colour takes every background for white."""
    rows, columns = np.nonzero(where)
    return {
        "type": "scatter",
        "mode": "text",
        "x": columns.tolist(),
        "y": rows.tolist(),
        "text": [f"{100 * share:.0f}" for share in shares[rows, columns].tolist()],
        "textfont": {"color": color, "size": 11},
        "hoverinfo": "skip",
    }


def heatmap_layout(table: Any) -> dict[str, Any]:
    """How the heat map is drawn: as high as its classes need."""
    rows, columns = table.shape
    most = max(rows, columns)
    side = 26 if most <= FEW else 18 if most <= 40 else 13
    font = {"size": 12 if most <= FEW else 10 if most <= 40 else 9}
    axis = {"tickfont": font, "showgrid": False, "zeroline": False, "ticks": "", "automargin": True, "fixedrange": True}
    return {
        "height": rows * side + 130,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "dragmode": False,
        "font": {"size": 11},
        "xaxis": {**axis, **_ticks(table.columns), "tickangle": -90, "title": {"text": "found"}},
        "yaxis": {**axis, **_ticks(table.index), "autorange": "reversed", "title": {"text": "searched for"}},
    }


def _ticks(names: Any) -> dict[str, Any]:
    return {"tickvals": list(range(len(names))), "ticktext": [plain(name, 22) for name in names]}
