"""Search for selected objects, look at what was found, and go on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms
from .._selection import HOW_TO_SELECT, searched, selection
from . import _photos
from ._common import PLUGIN, alert, choices, part, row, told

SCOPES = {
    "all": "all classes",
    "same_class": "same class",
    "other_classes": "other classes",
}
EMPHASES = {"none": "everything", "look": "colours", "shape": "shape and pattern", "kind": "kind of thing"}
TICK = (
    "Tick an object in the grid: its box shows while the mouse is over it. Several are searched for together; "
    "Alt-click marks objects that matches should not be like"
)
OPTIONS = ["options.classes"] + [
    *(f"options.first.{name}" for name in ("k", "min_score", "scope", "emphasis")),
    *(f"options.second.{name}" for name in ("one_per_image", "exclude_same_image", "reverse")),
]
MAX_MATCHES = 200  # are shown as pictures; the operator shows more of them in the grid
MAX_HISTORY = 20


class SearchTab:
    """The tab "Search", and the results of a search that the tab "Photo" shows too.

    The panel's state holds ``search.query``, what is looked for: ``ids`` and ``negatives``, or a ``photo`` and the
    ``candidate`` in it; the ``options`` beside it; and ``found``, the matches.
    """

    def on_change_selected(self, ctx: Any) -> None:
        """Patches were ticked in the grid: they are what is looked for next."""
        self._take_selection(ctx)

    def on_change_selected_labels(self, ctx: Any) -> None:
        """Objects were clicked in an opened image."""
        self._take_selection(ctx)

    def _take_selection(self, ctx: Any) -> None:
        chosen = selection(ctx)
        if not chosen.ids and not chosen.negatives:
            return
        problem = chosen.problem(_forms.object_indexes(ctx), None)
        brain_key = chosen.index_among(_forms.object_indexes(ctx))
        query = {"ids": chosen.ids, "negatives": chosen.negatives, "brain_key": brain_key, "problem": problem}
        ctx.panel.set_state("search.next", query)

    def render_search(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            alert(panel, "none", "This dataset has no index of objects. “Set up” makes one", "warning")
            return
        self._render_query(ctx, panel)
        self.render_options(ctx, panel)
        self.render_found(ctx, panel)

    def _render_query(self, ctx: Any, panel: types.Object) -> None:
        query = ctx.panel.get_state("search.next") or ctx.panel.get_state("search.query")
        if not query:
            alert(panel, "how", TICK if isinstance(ctx.view, fo.core.patches.PatchesView) else HOW_TO_SELECT)
            return
        self.render_wanted(ctx, panel, query)
        if query.get("problem"):
            alert(panel, "problem", query["problem"], "warning")

    def render_wanted(self, ctx: Any, panel: types.Object, query: dict[str, Any]) -> None:
        """Draw what a query looks for."""
        panel.md("**Looking for**", name="looking_for")
        part(panel, "query", "Strip", **self._strip(ctx, query, _pictured(query)))

    def render_options(self, ctx: Any, panel: types.Object, on_search: Callable | None = None) -> None:
        """Draw how to search, and the button that does; ``on_search`` is what else it does than :meth:`on_search`."""
        form = types.Object()
        first, second = row(form, "first"), row(form, "second")
        first.int("k", label="Matches", default=25, min=1, max=MAX_MATCHES)
        first.float("min_score", label="Minimum score", min=-1, max=1)
        choices(first, "scope", "Among", SCOPES, "all")
        choices(first, "emphasis", "Alike in", EMPHASES, "none")
        form.list("classes", types.String(), label="Only these classes", view=self._classes(ctx))
        second.bool("one_per_image", label="One per image", default=False)
        second.bool("exclude_same_image", label="Other images only", default=False)
        second.bool("reverse", label="Least similar first", default=False)
        panel.define_property("options", form, view=types.VStackView(gap=1))
        buttons = row(panel, "buttons")
        search = on_search or self.on_search
        buttons.btn("search", label="Search", on_click=search, variant="contained", icon="image_search")
        if ctx.panel.get_state("search.found"):
            buttons.btn("grid", label="Show in grid", on_click=self.on_show_in_grid, icon="apps")
        if isinstance(ctx.view, fo.core.patches.PatchesView) and len(ctx.view._stages) > 0:
            buttons.btn("every", label="Show all objects", on_click=self.on_show_all)
        history = ctx.panel.get_state("search.history")
        if history and (on_search is None or history[-1]["query"].get("photo")):  # beside a photo, only to a photo's
            buttons.btn("back", label="Back", on_click=self.on_search_back, icon="arrow_back")

    def _classes(self, ctx: Any) -> types.AutocompleteView:
        query = ctx.panel.get_state("search.query") or {}
        indexes = _forms.object_indexes(ctx)
        field = indexes.get(query.get("brain_key") or "") or next(iter(indexes.values()))
        view = types.AutocompleteView(allow_user_input=False, allow_duplicates=False)
        for label in _forms.known_labels(ctx, field):
            view.add_choice(label, label=label)
        return view

    def render_found(self, ctx: Any, panel: types.Object) -> None:
        """Draw the matches of the last search."""
        if message := ctx.panel.get_state("search.message"):
            alert(panel, "message", message, "warning")
        found = ctx.panel.get_state("search.found")
        if not found:
            return
        query = ctx.panel.get_state("search.query")
        best = "least" if self._options(ctx).get("reverse") else "most"
        heading = f"**{len(found)} objects, {best} similar first**"
        if ctx.panel.get_state("search.next"):
            heading += ", of the search before: press “Search” for the new one"
        panel.md(heading, name="count")
        part(
            panel,
            "found",
            "Strip",
            **self._strip(ctx, query, found),
            on_open=self.on_open_match,
            on_again=self.on_search_again,
            on_more=self.on_search_more,
            on_less=self.on_search_less,
            on_export=self.on_search_export,
        )

    def _strip(self, ctx: Any, query: dict, items: list[dict]) -> dict[str, Any]:
        return {"items": items, "brain_key": query.get("brain_key"), "pictures": f"{PLUGIN}/object_pictures"}

    # --- what the user does -------------------------------------------------------------------------------------------

    @told
    def on_search(self, ctx: Any) -> None:
        """Search for what is selected, or again for what was looked for last, with the options as they are now."""
        query = ctx.panel.get_state("search.next") or ctx.panel.get_state("search.query")
        if not query or not (query.get("ids") or query.get("photo")):
            ctx.ops.notify(HOW_TO_SELECT, variant="warning")
            return
        if query.get("problem"):
            ctx.ops.notify(query["problem"], variant="warning")
            return
        self.search_for(ctx, query)

    @told
    def on_search_again(self, ctx: Any) -> None:
        """Search for one of the matches."""
        self.search_for(ctx, {**self._same_index(ctx), "ids": [ctx.params["id"]], "negatives": []})

    @told
    def on_search_more(self, ctx: Any) -> None:
        """Search for a match as well as for what was looked for."""
        query = ctx.panel.get_state("search.query")
        ids = [i for i in query.get("ids") or [] if i != ctx.params["id"]]
        self.search_for(ctx, {**query, "ids": [*ids, ctx.params["id"]]})

    @told
    def on_search_less(self, ctx: Any) -> None:
        """Search for what was looked for, but for nothing like this match."""
        query = ctx.panel.get_state("search.query")
        unlike = [i for i in query.get("negatives") or [] if i != ctx.params["id"]]
        self.search_for(ctx, {**query, "negatives": [*unlike, ctx.params["id"]]})

    @told
    def on_search_back(self, ctx: Any) -> None:
        """Go back to the search before."""
        history = list(ctx.panel.get_state("search.history") or [])
        before = history.pop()
        ctx.panel.set_state("search.history", history)
        ctx.panel.set_state("options", before["options"])
        for path in OPTIONS:
            ctx.panel.state.apply(path)  # or the App's field shows what it did before
        self._run(ctx, before["query"])

    def _same_index(self, ctx: Any) -> dict[str, Any]:
        return {"brain_key": ctx.panel.get_state("search.query.brain_key")}

    def search_for(self, ctx: Any, query: dict[str, Any]) -> None:
        """Search for something new, and remember what was looked for before."""
        before, asked = ctx.panel.get_state("search.query"), ctx.panel.get_state("search.asked")
        self._run(ctx, query)
        if before and (before, asked) != (query, ctx.panel.get_state("search.asked")):
            history = list(ctx.panel.get_state("search.history") or [])
            history.append({"query": before, "options": asked})
            ctx.panel.set_state("search.history", history[-MAX_HISTORY:])

    def _run(self, ctx: Any, query: dict[str, Any]) -> None:
        results = self.results(ctx, query)
        pictured = [{**_shown(match), "score": None} for match in results.query]  # its score to itself says nothing
        query = {**query, "pictured": pictured or query.get("pictured")}
        ctx.panel.set_state("search.query", query)
        ctx.panel.set_state("search.next", None)
        ctx.panel.set_state("search.asked", ctx.panel.get_state("options"))
        ctx.panel.set_state("search.found", [_shown(match) for match in results])
        nothing = None if len(results) else "No object matches. Lower the minimum score or widen the classes"
        ctx.panel.set_state("search.message", nothing)
        # A change of the selection is an event of its own, which the App fires with the panel's state as it was before.
        if ctx.selected:
            ctx.ops.clear_selected_samples()
        if ctx.selected_labels:
            ctx.ops.clear_selected_labels()

    def results(self, ctx: Any, query: dict[str, Any]) -> Any:
        """What a search with the panel's options finds now."""
        options = self._search_options(ctx)
        like = [*(query.get("ids") or []), *self.photo_candidates(ctx, query)]
        negatives = query.get("negatives") or None
        return simfind.search(searched(ctx), like, brain_key=query["brain_key"], negatives=negatives, **options)

    def _options(self, ctx: Any) -> dict[str, Any]:
        given = ctx.panel.get_state("options") or {}
        return {**(given.get("first") or {}), **(given.get("second") or {}), "classes": given.get("classes")}

    def _search_options(self, ctx: Any) -> dict[str, Any]:
        given = {key: value for key, value in self._options(ctx).items() if value not in (None, "", [])}
        if given.get("emphasis") == "none":
            del given["emphasis"]
        return given

    @told
    def on_open_match(self, ctx: Any) -> None:
        """Open the image of a match, with the match selected in it."""
        ctx.ops.open_sample(id=ctx.params["sample_id"])

    @told
    def on_show_in_grid(self, ctx: Any) -> None:
        """Put the matches into the grid, in order."""
        results = self.results(ctx, ctx.panel.get_state("search.query"))
        ctx.ops.set_view(view=results.view())

    @told
    def on_show_all(self, ctx: Any) -> None:
        """Put all objects into the grid again."""
        ctx.ops.set_view(view=ctx.dataset.to_patches(ctx.view.patches_field))

    @told
    def on_search_export(self, ctx: Any) -> dict[str, Any]:
        """The matches with all that is known of them, for a file."""
        results = self.results(ctx, ctx.panel.get_state("search.query"))
        return {"rows": [match.to_dict() for match in results]}


def _shown(match: Any) -> dict[str, Any]:
    return {
        "id": match.label_id,
        "sample_id": match.sample_id,
        "label": match.label,
        "score": match.score,
        "box": [round(side, 4) for side in match.bounding_box],
    }


def _pictured(query: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that are looked for, and those that are not wanted."""
    known = {item["id"]: item for item in query.get("pictured") or []}
    wanted = [known.get(i) or {"id": i} for i in query.get("ids") or []]
    if query.get("photo"):
        wanted.insert(0, {"id": _photos.name_of(query), "label": query.get("label")})
    return [*wanted, *({"id": i, "unwanted": True} for i in query.get("negatives") or [])]
