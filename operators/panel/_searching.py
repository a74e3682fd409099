"""Searches of the panel, whichever tab starts them, and the way back to those before."""

from __future__ import annotations

import time
from typing import Any

import fiftyone_simfind as simfind

from .. import _forms, _noted
from .._selection import Selection, searched, selection
from . import _options, _photos
from ._common import recalled, remembered, told

MAX_HISTORY = 20
WHAT = ("ids", "negatives", "photo", "candidate", "brain_key")  # of a query, besides how it is shown
NOTHING = "No object matches. Lower the minimum score or widen the classes"
NO_CLASS = "The whole photo has no class. Choose “any class” under “Class of the matches”"


class Searching:
    """What is looked for, and what was found.

    The panel's state holds ``search.next``, what is ticked and not searched for yet; ``search.query``, what was
    searched for: ``ids`` and ``negatives``, or a ``photo`` and the ``candidate`` in it; ``search.asked``, the options
    of that search, where ``options`` are those that are filled in now; ``search.found``, its matches;
    ``search.where``, the ``field`` and the ``view`` that they were found in; ``search.run``, which tells it from other
    searches; and ``search.history``, those before it.
    """

    def take_selection(self, ctx: Any) -> None:
        """What is ticked in the grid, or clicked in an opened image, is what is looked for next."""
        chosen = selection(ctx)
        if not chosen.ids and not chosen.negatives:
            return
        problem = chosen.problem(_forms.object_indexes(ctx), None)
        brain_key = chosen.index_among(_forms.object_indexes(ctx))
        query = {"ids": chosen.ids, "negatives": chosen.negatives, "brain_key": brain_key, "problem": problem}
        ctx.panel.set_state("search.next", query)

    @told
    def take_noted(self, ctx: Any) -> bool:
        """Show what a button beside the grid of this browser has searched for, unless that is known already."""
        noted = _noted.last(ctx)
        if noted is None or noted["at"] == ctx.panel.get_state("search.noted"):
            return False
        ctx.panel.set_state("search.noted", noted["at"])
        filled = _options.filled(noted["options"])
        if filled is None:  # what it did cannot be said in this form
            return False
        before = self._present(ctx)
        self._fill(ctx, filled)
        self._run(ctx, noted["query"])
        self._remember(ctx, before)
        return True

    def skip_noted(self, ctx: Any) -> None:
        """What buttons searched for before the page was loaded is no concern of the panel."""
        ctx.panel.set_state("search.noted", (_noted.last(ctx) or {}).get("at"))

    def search_for(self, ctx: Any, query: dict[str, Any]) -> None:
        """Search for something new, and remember what was looked for before."""
        before = self._present(ctx)
        self._run(ctx, query)
        self._remember(ctx, before)

    def search_back(self, ctx: Any) -> None:
        """Search for what was looked for before, as it was searched for then."""
        *history, before = ctx.panel.get_state("search.history")
        ctx.panel.set_state("search.history", history)
        self._fill(ctx, _options.filled(_options.options(before["options"])))
        self._run(ctx, before["query"])

    def search_without(self, ctx: Any, gone: str) -> None:
        """Take an object out of what is looked for next, or else search without it."""
        ticked = ctx.panel.get_state("search.next")
        if ticked:
            rest = _without(ticked, gone)
            if not rest["ids"]:
                rest["problem"] = Selection(negatives=rest["negatives"]).problem(_forms.object_indexes(ctx), None)
            ctx.panel.set_state("search.next", rest if rest["ids"] or rest["negatives"] else None)
            _untick(ctx, gone)
            return
        rest = _without(ctx.panel.get_state("search.query"), gone)
        if rest.get("ids") or rest.get("photo"):
            self.search_for(ctx, rest)
        else:
            before = self._present(ctx)
            for key in ("query", "found", "message", "asked", "run"):
                ctx.panel.set_state(f"search.{key}", None)
            self._remember(ctx, before)

    def results(self, ctx: Any, query: dict[str, Any], filled: dict[str, Any] | None) -> Any:
        """What a search for a query finds now, with the options that were filled in."""
        options = _options.checked(filled)
        photos = self.photo_candidates(ctx, query)
        has_none = any(found.label is None for found in photos) and not _forms.of_whole_images(ctx, query["brain_key"])
        if options.get("scope", "all") != "all" and has_none:
            raise simfind.OptionError(NO_CLASS)
        like, unlike = [*(query.get("ids") or []), *photos], query.get("negatives") or None
        return simfind.search(searched(ctx), like, brain_key=query["brain_key"], negatives=unlike, **options)

    def results_shown(self, ctx: Any) -> simfind.SearchResults:
        """What is on the screen, as the SDK gives it, whatever was changed since it was found."""
        found, where = ctx.panel.get_state("search.found"), ctx.panel.get_state("search.where")
        if not found or not where:
            raise simfind.QueryError("nothing is shown yet; press “Search” first")
        images = simfind.images(ctx.dataset).select(list({item["sample_id"] for item in found}))
        paths = dict(zip(*images.values(["id", "filepath"]), strict=True))
        matches = [
            simfind.Match(i["id"], i["sample_id"], paths.get(i["sample_id"], ""), i["label"], i["box"], i["score"])
            for i in found
        ]
        return simfind.SearchResults(recalled(ctx, where["view"]), where["field"], query=[], matches=matches)

    def _present(self, ctx: Any) -> dict[str, Any]:
        return {"query": ctx.panel.get_state("search.query"), "options": ctx.panel.get_state("search.asked")}

    def _remember(self, ctx: Any, before: dict[str, Any]) -> None:
        """Note a search that is over, if there was one and another one is shown now."""
        if before["query"] and _essence(before) != _essence(self._present(ctx)):
            history = [*(ctx.panel.get_state("search.history") or []), before]
            ctx.panel.set_state("search.history", history[-MAX_HISTORY:])

    def _fill(self, ctx: Any, filled: dict[str, Any] | None) -> None:
        ctx.panel.set_state(_options.AT, filled)
        for path, _ in _options.fields():
            ctx.panel.state.apply(path)  # or the App's field shows what it did before

    def _run(self, ctx: Any, query: dict[str, Any]) -> None:
        filled = ctx.panel.get_state(_options.AT)
        results = self.results(ctx, query, filled)
        pictured = [{**_shown(match), "score": None} for match in results.query]  # its score to itself says nothing
        ctx.panel.set_state("search.query", {**query, "pictured": pictured or query.get("pictured")})
        ctx.panel.set_state("search.next", None)
        ctx.panel.set_state("search.asked", filled)
        ctx.panel.set_state("search.found", [_shown(match) for match in results])
        ctx.panel.set_state("search.where", {"field": results.patches_field, "view": remembered(searched(ctx))})
        ctx.panel.set_state("search.message", None if len(results) else NOTHING)
        ctx.panel.set_state("search.run", time.time())
        # A change of the selection is an event of its own, which the App fires with the panel's state as it was before.
        if ctx.selected:
            ctx.ops.clear_selected_samples()
        if ctx.selected_labels:
            ctx.ops.clear_selected_labels()


def _essence(search: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What makes a search another one."""
    query = search["query"] or {}
    what = {key: query[key] for key in WHAT if query.get(key) not in _options.EMPTY}
    return what, _options.options(search["options"])


def _without(query: dict[str, Any], gone: str) -> dict[str, Any]:
    rest = {**query, "ids": [i for i in query.get("ids") or [] if i != gone]}
    rest["negatives"] = [i for i in query.get("negatives") or [] if i != gone]
    if gone == _photos.name_of(query):
        rest |= {"photo": None, "candidate": None, "label": None}
    return rest


def _untick(ctx: Any, gone: str) -> None:
    """Take an object out of the App's selection."""
    patches = [item for item in ctx.selected_samples if item["id"] != gone]
    if len(patches) < len(ctx.selected_samples):
        ctx.ops.set_selected_samples(patches)
    clicked = [label for label in ctx.selected_labels if label["label_id"] != gone]
    if len(clicked) < len(ctx.selected_labels):
        ctx.ops.set_selected_labels(clicked)


def _shown(match: Any) -> dict[str, Any]:
    return {
        "id": match.label_id,
        "sample_id": match.sample_id,
        "label": match.label,
        "score": match.score,
        "box": match.bounding_box,
    }
