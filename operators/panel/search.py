"""Search for selected objects, look at what was found, and go on from there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms
from .._selection import HOW_TO_SELECT
from . import _options, _photos
from ._common import NO_INDEX, PLUGIN, alert, part, row, told
from ._searching import Searching

TICK = (
    "Tick an object in the grid: its box shows while the mouse is over it. Several are searched for together; "
    "Alt-click marks objects that matches should not be like"
)
SCORES = "_Scores are cosines, −1 to 1: mostly about 0 for another class, 0.2 to 0.8 for the same one_"


class SearchTab(Searching):
    """The tab "Search", and the options and results that the tabs "Photo" and "Map" show too."""

    def on_change_selected(self, ctx: Any) -> None:
        """Patches were ticked in the grid."""
        self.take_selection(ctx)

    def on_change_selected_labels(self, ctx: Any) -> None:
        """Objects were clicked in an opened image."""
        self.take_selection(ctx)

    def render_search(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            alert(panel, "none", NO_INDEX, "warning")
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
        part(panel, "query", "Strip", **_strip(query, _pictured(query)), on_remove=self.on_search_remove)

    def render_options(self, ctx: Any, panel: types.Object, on_search: Callable | None = None) -> None:
        """Draw how to search, and the button that does; ``on_search`` is what else it does than :meth:`on_search`."""
        form = _options.form(self._classes(ctx))
        panel.define_property(_options.AT, form, view=types.VStackView(gap=1))
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

    def _classes(self, ctx: Any) -> list[str]:
        query = ctx.panel.get_state("search.query") or {}
        indexes = _forms.object_indexes(ctx)
        return _forms.known_labels(ctx, indexes.get(query.get("brain_key") or "") or next(iter(indexes.values())))

    def render_found(self, ctx: Any, panel: types.Object) -> None:
        """Draw the matches of the last search."""
        if message := ctx.panel.get_state("search.message"):
            alert(panel, "message", message, "warning")
        found = ctx.panel.get_state("search.found")
        if not found:
            return
        best = "least" if _options.options(ctx.panel.get_state("search.asked")).get("reverse") else "most"
        heading = f"**{_forms.plural(len(found), 'object')}, {best} similar first**"
        if ctx.panel.get_state("search.next"):
            heading += ", of the search before: press “Search” for the new one"
        panel.md(f"{heading}\n\n{SCORES}", name="count")
        part(
            panel,
            "found",
            "Strip",
            **_strip(ctx.panel.get_state("search.query"), found),
            on_open=self.on_open_match,
            on_again=self.on_search_again,
            on_more=self.on_search_more,
            on_less=self.on_search_less,
            on_export=self.on_search_export,
        )

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
        brain_key = ctx.panel.get_state("search.query.brain_key")
        self.search_for(ctx, {"brain_key": brain_key, "ids": [ctx.params["id"]], "negatives": []})

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
    def on_search_remove(self, ctx: Any) -> None:
        """The cross on an object that is looked for, or is not to be found."""
        self.search_without(ctx, ctx.params["id"])

    @told
    def on_search_back(self, ctx: Any) -> None:
        """Go back to the search before."""
        self.search_back(ctx)

    @told
    def on_open_match(self, ctx: Any) -> None:
        """Open the image of a match, with the match selected in it."""
        ctx.ops.open_sample(id=ctx.params["sample_id"])

    @told
    def on_show_in_grid(self, ctx: Any) -> None:
        """Put the matches into the grid, in order."""
        ctx.ops.set_view(view=self.results_shown(ctx).view())

    @told
    def on_show_all(self, ctx: Any) -> None:
        """Put all objects into the grid again."""
        ctx.ops.set_view(view=simfind.images(ctx.dataset).to_patches(ctx.view.patches_field))

    @told
    def on_search_export(self, ctx: Any) -> dict[str, Any]:
        """The matches with all that is known of them, for a file."""
        return {"rows": [match.to_dict() for match in self.results_shown(ctx)]}


def _strip(query: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"items": items, "brain_key": query.get("brain_key"), "pictures": f"{PLUGIN}/object_pictures"}


def _pictured(query: dict[str, Any]) -> list[dict[str, Any]]:
    """The objects that are looked for, and those that are not wanted."""
    known = {item["id"]: item for item in query.get("pictured") or []}
    wanted = [known.get(i) or {"id": i} for i in query.get("ids") or []]
    if query.get("photo"):
        wanted.insert(0, {"id": _photos.name_of(query), "label": query.get("label")})
    return [*wanted, *({"id": i, "unwanted": True} for i in query.get("negatives") or [])]
