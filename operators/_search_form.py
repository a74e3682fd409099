"""What the operators that search have in common: their options, and how they show what was found."""

from __future__ import annotations

from typing import Any

import fiftyone_simfind as simfind

from . import _forms, _weights
from ._selection import searched

EMPHASES = {"all": "all alike", "look": "look: colours", "shape": "shape: patterns and parts", "kind": "kind of thing"}
TOLD = 25  # matches that are told to a script; all of them are shown in the grid
NOTHING = "No object matches. Lower the minimum score or widen the scope"


class SearchForm(_forms.Form):
    """A form with the options of a search."""

    def __init__(self, ctx: Any, label: str):
        super().__init__(ctx, label, simfind.search, simfind.sort_by_similarity)

    def options(self) -> dict[str, Any]:
        options = super().options()
        if options.get("emphasis") == "all":
            del options["emphasis"]
        return options

    def ask(self, indexes: dict[str, str], index: str | None) -> None:
        """Ask for everything but what to look for."""
        self.choice("brain_key", "Index", "The index to search", list(indexes), default=index)
        field = indexes.get(_forms.key(self._ctx, "brain_key") or index or "")
        self.number("k", "Matches", "At most this many", min=1, max=10000)
        about = "As the labels of what is looked for"
        self.choice("scope", "Scope", about, list(_forms.SCOPES), labels=_forms.SCOPES)
        self.strings("classes", "Classes", "Find only objects with these labels; empty: any", self._labels(field))
        about = "Which part of the vectors decides; those of YOLO models have parts"
        self.choice("emphasis", "Emphasis", about, list(EMPHASES), labels=EMPHASES, default="all")
        self.number("min_score", "Minimum score", "Leave out matches that score less", min=-1, max=1)
        self.switch("exclude_same_image", "Other images only", "Leave out objects in the selected objects' own images")
        self.switch("one_per_image", "One per image", "Give only the best match of each image")
        self.switch("include_query", "Include the selected", "Let the selected objects be among the matches")
        self.switch("reverse", "Least similar first", "Turn the order round")
        about = "A second network, by name, that looks at the best matches and orders them anew; empty: none"
        self.model("rerank", "Order again with", about, known=_weights.TORCHVISION)
        self.number("rerank_depth", "Matches to order again", "So many of the best", min=1, max=10000)
        about = "New attribute of the objects for their scores; empty writes none. “Simfind: clear scores” removes it"
        self.text("score_field", "Score attribute", about, name=True)

    def _labels(self, field: str | None) -> list[str]:
        return _forms.labels(self._ctx, field)


def search_and_show(ctx: Any, query: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Search, and show the matches in the grid; nothing stays selected, so that the next query does not mix in."""
    score_field = options.pop("score_field", None)
    results = simfind.search(searched(ctx), query, **options)
    count = len(results)
    if not count:
        ctx.ops.notify(NOTHING, variant="warning")
        return {"count": 0, "summary": NOTHING, "matches": []}
    view = results.view()
    if score_field is not None:
        view = simfind.sort_by_similarity(searched(ctx), query, score_field=score_field, **options)
    ctx.ops.set_view(view=view)
    ctx.ops.clear_selected_samples()
    ctx.ops.clear_selected_labels()
    if ctx.current_sample:
        ctx.ops.close_sample()
    best = "least" if ctx.params.get("reverse") else "most"
    text = f"{_forms.plural(count, 'object')}, {best} similar first"
    ctx.ops.notify(text, variant="success")
    lack = stale(ctx, options["brain_key"])
    if lack:
        ctx.ops.notify(lack, variant="warning")
    best = [_told(match) for match in results[:TOLD]]
    return {"count": count, "summary": f"{text}. {lack}" if lack else text, "matches": best}


def _told(match: Any) -> dict[str, Any]:
    """A match for a script."""
    return {"label_id": match.label_id, "sample_id": match.sample_id, "label": match.label, "score": match.score}


def stale(ctx: Any, brain_key: str) -> str | None:
    """What an index lacks, and what to do about it; None when it is up to date, or another database keeps it."""
    try:
        status = simfind.status(ctx.dataset, brain_key=brain_key)
    except simfind.BrainRunError:
        return None
    if status.up_to_date:
        return None
    told = {
        "new": status.new,
        "edited": status.edited,
        "with another label": status.relabelled,
        "not indexed yet": status.not_indexed,
        "made by another model": status.other_model,
        "deleted": status.removed,
    }
    words = ", ".join(f"{count:,} {what}" for what, count in told.items() if count)
    return f"The index is behind its dataset: objects {words}. “Simfind: refresh index” repairs it"
