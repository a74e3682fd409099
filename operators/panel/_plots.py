"""Plots of the panel, as data for Plotly."""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Distinct on white and on dark grey; from d3's and Tableau's palettes.
COLORS = [
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#ff9da7",
    "#9c755f", "#17becf", "#8c6bb1", "#a6d854", "#1f77b4", "#d62728", "#2ca02c", "#e377c2",
    "#bcbd22", "#ff7f0e", "#66c2a5", "#c49c94", "#5b8ff9", "#d4a6c8", "#86bcb6", "#b6992d",
]  # fmt: skip
GRAY = "#8a8f98"
ACCENT = "#ff6d04"  # FiftyOne's orange
SCORES = [[0, "#5a6b8c"], [0.45, "#3fa7a0"], [0.75, "#f2b134"], [1, "#f4511e"]]
SHARES = [[0, "rgba(255,109,4,0)"], [0.02, "rgba(255,109,4,0.10)"], [0.3, "rgba(255,109,4,0.55)"], [1, "#ff6d04"]]
CLEAR = "rgba(0,0,0,0)"
SHADE = "rgba(128,128,128,0.08)"  # of a plot, on white as on dark grey


def packed(values: ArrayLike, dtype: str) -> dict[str, Any]:
    """Numbers as Plotly reads them from base64: a third of their size as text."""
    array = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
    found = {"dtype": dtype, "bdata": base64.b64encode(array.tobytes()).decode()}
    return found if array.ndim == 1 else {**found, "shape": ",".join(map(str, array.shape))}


def plain(value: Any, most: int = 40) -> str:
    """A text of the dataset for Plotly, which takes some HTML for formats; a long one loses its middle."""
    text = "(none)" if value is None else str(value)
    short = text if len(text) <= most else f"{text[: most - 12]}…{text[-11:]}"
    return html.escape(short, quote=False)
