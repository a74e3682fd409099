"""The map's points for Plotly."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._plots import ACCENT, CLEAR, COLORS, GRAY, SCORES, SHADE, packed, plain

MAX_TRACES = 100  # groups with a trace, and a name when pointed at, of their own


def traces(shown: Any, picked: str | None) -> list[dict[str, Any]]:
    """The points; each carries its row as ``customdata``. What is searched for, and what is picked, lies on top."""
    found = _scored(shown) if shown.scores is not None else _grouped(shown)
    ring = np.flatnonzero(shown.label_ids == picked) if picked else np.empty(0, int)
    if len(ring):
        marker = {"symbol": "circle-open", "size": 18, "color": ACCENT, "line": {"width": 3}}
        found.append(_trace(shown, ring, "picked", marker, hover="%{text}", showlegend=False))
    asked = np.flatnonzero(shown.is_query)
    if len(asked):
        marker = {"symbol": "star", "size": 20, "color": "#ffd400", "line": {"color": "#000", "width": 1.5}}
        found.append(_trace(shown, asked, "searched for", marker, hover="Searched for: %{text}"))
    return found


def _scored(shown: Any) -> list[dict[str, Any]]:
    rows = np.argsort(shown.scores, kind="stable")  # the best on top
    scores = shown.scores[rows]
    others = shown.scores[~shown.is_query]
    best = float(others.max()) if len(others) else 1.0
    marker = {
        "color": packed(np.round(scores, 4), "f4"),
        "colorscale": SCORES,
        "cmin": float(scores.min()) if len(scores) else 0.0,
        "cmax": best,
        "size": _size(len(rows)),
        "colorbar": {"title": {"text": "score"}, "thickness": 12, "outlinewidth": 0, "len": 0.6},
    }
    return [_trace(shown, rows, "objects", marker, hover="%{text}: %{marker.color:.3f}", showlegend=False)]


def _grouped(shown: Any) -> list[dict[str, Any]]:
    names, inverse, counts = _groups(shown.groups)
    size = _size(len(shown))
    found = []
    for number in range(len(names)):
        rows = np.flatnonzero(inverse == number)
        plentiful = number < len(COLORS) and names[number] is not None
        marker = {"color": COLORS[number] if plentiful else GRAY, "size": size}
        name = f"{plain(names[number], 24)} ({counts[number]:,})"
        found.append(_trace(shown, rows, name, marker, hover="%{text}", showlegend=number < len(COLORS)))
    return found[::-1]  # grey ones first, below the others


def _groups(groups: NDArray[np.object_]) -> tuple[list[Any], NDArray[np.intp], list[int]]:
    """The groups, those with the most objects first and no group last; the group of each object; their sizes."""
    known: dict[Any, int] = {}
    codes = np.array([known.setdefault(group, len(known)) for group in groups.tolist()], np.intp)
    counts = np.bincount(codes, minlength=len(known))
    names = list(known)
    order = sorted(range(len(names)), key=lambda code: (names[code] is None, -counts[code], _natural(names[code])))
    places = np.empty(len(order), np.intp)
    places[order] = np.minimum(np.arange(len(order)), MAX_TRACES)
    merged = [names[code] for code in order[:MAX_TRACES]] + ["others"] * (len(order) > MAX_TRACES)
    return merged, places[codes], np.bincount(places[codes], minlength=len(merged)).tolist()


def _natural(name: Any) -> tuple[int, str]:
    """Orders what begins with a number by the number."""
    first = str(name).partition(" ")[0]
    return (int(first) if first.isdecimal() else 0, str(name))


def _trace(shown: Any, rows: NDArray[np.intp], name: str, marker: dict, *, hover: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "scattergl",
        "mode": "markers",
        "name": name,
        "x": packed(shown.points[rows, 0], "f4"),
        "y": packed(shown.points[rows, 1], "f4"),
        "customdata": packed(rows, "i4"),
        "text": [plain(label) for label in shown.labels[rows].tolist()],
        "hovertemplate": f"{hover}<extra></extra>",
        "marker": {"opacity": 0.9, **marker},
        "unselected": {"marker": {"opacity": 0.05}},
        **more,
    }


def _size(count: int) -> int:
    return 9 if count < 1500 else 6 if count < 5000 else 4


def layout(shown: Any, *, keep_zoom: str, keep_lasso: str) -> dict[str, Any]:
    """How the points are drawn; zoom and lasso stay as they are for as long as these words do."""
    axis = {"showticklabels": False, "zeroline": False, "showgrid": False, "ticks": ""}
    return {
        "dragmode": "lasso",
        "modebar": {"bgcolor": CLEAR, "color": GRAY, "activecolor": ACCENT},
        "hovermode": "closest",
        "xaxis": axis,
        "yaxis": axis,
        "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": SHADE,
        "showlegend": shown.scores is None,
        "legend": {
            "x": 1.01,
            "xanchor": "left",
            "y": 1,
            "bgcolor": CLEAR,
            "font": {"size": 12},
            "itemsizing": "constant",
            "traceorder": "reversed",
        },
        "newselection": {"line": {"color": ACCENT, "width": 2}},
        "uirevision": keep_zoom,
        "selectionrevision": keep_lasso,
    }
