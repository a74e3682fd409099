"""The objects as points, where those that look alike lie together."""

from __future__ import annotations

from typing import Any

import fiftyone.operators.types as types
import numpy as np

import fiftyone_simfind as simfind

from .. import _forms
from ._common import NO_INDEX, PLUGIN, alert, begin, choices, jobs, part, recalled, remembered, row, told
from ._map_plot import layout, traces
from ._mapped import Mapped, map_name, token, visualizations

COLORS = {"label": "class", "score": "score to the query", "cluster": "cluster"}
CONFIG = {"modeBarButtonsToRemove": ["toImage", "autoScale2d"], "displayModeBar": True}
NO_QUERY = "There is nothing to score yet. Click a point and “Search for this one”, or use the tab “Search”"


class MapTab(Mapped):
    """The tab "Map".

    The panel's state holds ``map_options``, the ``map.picked`` point, ``map.lassoed``, how many were drawn around,
    ``map.before``, the view that the grid showed then, ``map.revision``, which grows when a lasso is to go, and
    ``map.making``, the map that was asked for.
    """

    def render_map(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            alert(panel, "none", NO_INDEX, "warning")
            return
        brain_key = self.map_index(ctx, indexes)
        known = visualizations(ctx, brain_key, indexes[brain_key])
        if not known:
            self._offer_map(ctx, panel, f"The index “{brain_key}” has no map yet")
            return
        self._render_map_options(ctx, panel, indexes, known)
        if self.map_option(ctx, "color_by") == "score" and not self.map_query(ctx):
            alert(panel, "no_query", NO_QUERY)
        try:
            shown = self.map_points(ctx)
        except simfind.SimfindError as error:
            alert(panel, "wrong", str(error), "error")
            return
        self._render_notices(ctx, panel, shown)
        self._render_plot(ctx, panel, shown)
        self._render_picked(ctx, panel, brain_key)

    def _offer_map(self, ctx: Any, panel: types.Object, why: str) -> None:
        alert(panel, "no_map", f"{why}. UMAP puts objects that look alike beside each other")
        row(panel, "offer").btn(
            "compute", label="Compute the map", on_click=self.on_map_compute, variant="contained", icon="bubble_chart"
        )
        jobs(ctx, panel, self.on_map_made)

    def _render_map_options(
        self, ctx: Any, panel: types.Object, indexes: dict[str, str], known: dict[str, str]
    ) -> None:
        form = row(panel, "map_options")
        choices(form, "color_by", "Colour by", COLORS, "label", on_change=self.on_map_options)
        if len(known) > 1:
            choices(form, "viz_key", "Map", known, next(iter(known)), on_change=self.on_map_options)
        if len(indexes) > 1:
            names = {name: name for name in indexes}
            default = self.map_index(ctx, indexes)
            choices(form, "brain_key", "Index", names, default, on_change=self.on_map_options)
        if ctx.panel.get_state("map.lassoed") or ctx.panel.get_state("map.picked"):
            form.btn("clear", label="Clear", on_click=self.on_map_clear, icon="clear")

    def _render_notices(self, ctx: Any, panel: types.Object, shown: Any) -> None:
        lassoed = ctx.panel.get_state("map.lassoed")
        words = [_forms.plural(shown.total, "object")]
        if len(shown) < shown.total:
            words = [f"{len(shown):,} of {words[0]} shown, chosen at random"]
        words.append(f"{lassoed:,} in the grid" if lassoed else "draw around points to see them in the grid")
        panel.md(" · ".join(words), name="map_count")
        if shown.missing:
            newer = _forms.plural(shown.missing, "object is", "objects are")
            self._offer_map(ctx, panel, f"{newer} newer than this map")

    def _render_plot(self, ctx: Any, panel: types.Object, shown: Any) -> None:
        picked = (ctx.panel.get_state("map.picked") or {}).get("id")
        color = self.map_option(ctx, "color_by")
        revision = f"{shown.viz_key} {color} {ctx.panel.get_state('map.revision') or 0}"
        plot = layout(shown, keep_zoom=shown.viz_key, keep_lasso=revision)
        panel.plot("map_plot", data=traces(shown, picked), layout=plot, config=CONFIG, height="500px")
        events = {"on_point": self.on_map_point, "on_lasso": self.on_map_lasso, "on_clear": self.on_map_unlasso}
        part(panel, "map_events", "PlotEvents", shown=token(shown), **events)

    def _render_picked(self, ctx: Any, panel: types.Object, brain_key: str) -> None:
        picked = ctx.panel.get_state("map.picked")
        if picked:
            strip = {"items": [picked], "brain_key": brain_key, "pictures": f"{PLUGIN}/object_pictures"}
            place = row(panel, "picked")
            part(place, "object", "Strip", **strip, on_open=self.on_open_match)
            place.btn("search", label="Search for this one", on_click=self.on_map_search, icon="image_search")
        if ctx.panel.get_state("map.searched"):
            self.render_found(ctx, panel)

    # --- what the user does -------------------------------------------------------------------------------------------

    def on_map_options(self, ctx: Any) -> None:
        """The map is to be coloured otherwise, or is another one."""

    @told
    def on_map_made(self, ctx: Any) -> None:
        """Something has ended: a map that was asked for here is drawn, if it is there now."""
        viz_key = ctx.panel.get_state("map.making")
        if viz_key in ctx.dataset.list_brain_runs():
            ctx.panel.set_state("map.making", None)
            ctx.panel.set_state(
                "map_options.viz_key", viz_key
            )  # last: the list's own event comes with what is known then

    @told
    def on_map_compute(self, ctx: Any) -> None:
        """Have UMAP put the objects onto a map."""
        indexes = _forms.object_indexes(ctx)
        brain_key = self.map_index(ctx, indexes)
        viz_key = map_name(ctx, brain_key, indexes[brain_key])
        params = {"brain_key": brain_key, "method": "umap", "viz_key": viz_key, "view_target": "DATASET"}
        if viz_key in ctx.dataset.list_brain_runs():
            params |= {"overwrite": True, "confirm": True}
        ctx.panel.set_state("map.making", viz_key)
        begin(ctx, "visualize_objects", params)

    @told
    def on_map_point(self, ctx: Any) -> None:
        """A point was clicked."""
        found = self.map_rows(ctx, [ctx.params.get("number")])
        if found is not None:
            shown, (number,) = found
            picked = {"id": shown.label_ids[number], "sample_id": shown.sample_ids[number]}
            label = shown.labels[number]
            ctx.panel.set_state("map.picked", {**{k: str(v) for k, v in picked.items()}, "label": label})

    @told
    def on_map_lasso(self, ctx: Any) -> None:
        """Points were drawn around: the grid shows their objects, in the order of the dataset."""
        found = self.map_rows(ctx, ctx.params.get("numbers"))
        if found is not None:
            shown, rows = found
            if not ctx.panel.get_state("map.lassoed"):
                ctx.panel.set_state("map.before", remembered(ctx.view))
            ctx.panel.set_state("map.lassoed", len(rows))
            ctx.ops.set_view(view=shown.view(np.array(rows)))

    @told
    def on_map_unlasso(self, ctx: Any) -> None:
        """The lasso is to go: the grid shows what it showed before."""
        if not ctx.panel.get_state("map.lassoed"):
            return
        before = ctx.panel.get_state("map.before")
        ctx.panel.set_state("map.lassoed", None)
        ctx.panel.set_state("map.revision", (ctx.panel.get_state("map.revision") or 0) + 1)
        if before:
            ctx.ops.set_view(view=recalled(ctx, before))
        else:
            ctx.ops.clear_view()

    @told
    def on_map_clear(self, ctx: Any) -> None:
        """No point is to be picked, and no lasso drawn."""
        ctx.panel.set_state("map.picked", None)
        ctx.panel.set_state("map.searched", None)
        self.on_map_unlasso(ctx)

    @told
    def on_map_search(self, ctx: Any) -> None:
        """Search for the object of the point that was clicked, and colour the map by the scores."""
        picked = ctx.panel.get_state("map.picked")
        if not picked:
            ctx.ops.notify("Click a point first", variant="warning")
            return
        brain_key = self.map_index(ctx, _forms.object_indexes(ctx))
        self.search_for(ctx, {"ids": [picked["id"]], "negatives": [], "brain_key": brain_key})
        ctx.panel.set_state("map.searched", True)
        ctx.panel.set_state("map_options.color_by", "score")  # last: the list's own event comes with what is known then
