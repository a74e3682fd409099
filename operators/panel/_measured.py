"""The last report of an index, and the pairs behind its heat map."""

from __future__ import annotations

from typing import Any

import fiftyone_simfind as simfind

from .. import _forms, _reports
from ._common import NO_INDEX
from ._quality_plot import MAX_CLASSES

MAX_PAIRS = 24  # are shown as pictures
MAX_KEPT = 4  # reports

_kept: dict[tuple, Any] = {}  # reports, each of which may have megabytes in the database


class Measured:
    """What is known of the quality of the chosen index."""

    def quality_index(self, ctx: Any) -> str:
        """The index that is measured.

        Raises:
            BrainRunError: there is none
        """
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            raise simfind.BrainRunError(NO_INDEX)
        asked = (ctx.panel.get_state("quality") or {}).get("brain_key")
        return asked if asked in indexes else next(iter(indexes))

    def quality_report(self, ctx: Any) -> tuple[dict[str, Any], Any]:
        """What is known about the last report of the chosen index, and the report; None where there is none."""
        brain_key = self.quality_index(ctx)
        about = _reports.about(ctx, brain_key)
        if about is None:
            return {}, None
        key = (str(ctx.dataset._doc.id), brain_key, about["measured"])
        if key not in _kept:
            found = _reports.kept(ctx, brain_key)
            if found is None:
                return {}, None
            while len(_kept) >= MAX_KEPT:
                _kept.pop(next(iter(_kept)))
            _kept[key] = simfind.RetrievalReport.from_dict(found)
        return about, _kept[key]

    def quality_token(self, ctx: Any) -> str:
        """What tells a report from another one: numbers of cells are good for one report alone."""
        about = _reports.about(ctx, self.quality_index(ctx)) or {}
        return f"{self.quality_index(ctx)} {about.get('measured')}"

    def quality_cell(self, ctx: Any, report: Any) -> tuple[Any, Any] | None:
        """The classes of the cell that was clicked, if it is one of this very report."""
        cell = ctx.panel.get_state("measured.cell")
        if not cell or ctx.panel.get_state("measured.token") != self.quality_token(ctx):
            return None
        table = correspondence(report)
        return table.index[cell[0]], table.columns[cell[1]]


def correspondence(report: Any) -> Any:
    """The table of the heat map."""
    return report.correspondence(max_classes=MAX_CLASSES)


def pairs(report: Any, cell: tuple[Any, Any]) -> list[Any]:
    """The pairs of a cell; of a row or column that stands for several classes none."""
    try:
        return report.pairs(*cell)
    except simfind.OptionError:
        return []


def counted(known: list[Any], cell: tuple[Any, Any]) -> str:
    """How many pairs a cell has, in words."""
    if not known:
        several = "(others)" in cell
        return "these are several classes together, and have no pairs" if several else "no such pairs"
    many = _forms.plural(len(known), "pair")
    shown = f"the first {MAX_PAIRS} of {many}" if len(known) > MAX_PAIRS else many
    return f"{shown}, the most similar first"


def pair(known: Any, asked: str, found: str) -> dict[str, Any]:
    """A pair for the browser, with its classes in words."""
    return {
        "query": {"id": known.query, "label": asked},
        "found": {"id": known.neighbor, "label": found, "score": round(known.score, 4)},
        "rank": known.rank,
    }
