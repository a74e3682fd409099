"""What the map shows: the points of an index, as the panel's state asks for them."""

from __future__ import annotations

from typing import Any

import fiftyone_simfind as simfind

from .. import _forms
from ._common import NO_INDEX, free_name

MAX_POINTS = 10_000


class Mapped:
    """The points of the map, and which of them the browser means."""

    def map_option(self, ctx: Any, key: str) -> Any:
        """What was chosen above the map."""
        given = (ctx.panel.get_state("map_options") or {}).get(key)
        return given or ("label" if key == "color_by" else None)

    def map_index(self, ctx: Any, indexes: dict[str, str]) -> str:
        """The index whose objects are drawn.

        Raises:
            BrainRunError: there is none
        """
        if not indexes:
            raise simfind.BrainRunError(NO_INDEX)
        asked = [self.map_option(ctx, "brain_key"), (ctx.panel.get_state("search.query") or {}).get("brain_key")]
        return next((key for key in asked if key in indexes), next(iter(indexes)))

    def map_query(self, ctx: Any) -> list[Any]:
        """What was searched for last, and is marked; nothing once its photo is gone, or of an index that is."""
        query = ctx.panel.get_state("search.query") or {}
        try:
            return [*(query.get("ids") or []), *self.photo_candidates(ctx, query)]
        except simfind.QueryError:
            return []

    def map_points(self, ctx: Any) -> Any:
        """The points that are drawn; those of a query that this index does not know are drawn without it."""
        indexes = _forms.object_indexes(ctx)
        brain_key = self.map_index(ctx, indexes)
        known = visualizations(ctx, brain_key, indexes[brain_key])
        viz_key = self.map_option(ctx, "viz_key")
        query, color = self.map_query(ctx) or None, self.map_option(ctx, "color_by")
        negatives = (ctx.panel.get_state("search.query") or {}).get("negatives") or None
        options = {
            "brain_key": brain_key,
            "viz_key": viz_key if viz_key in known else next(iter(known), None),
            "max_points": MAX_POINTS,
        }
        if query is None:
            return simfind.map_points(ctx.dataset, **options, color_by="label" if color == "score" else color)
        try:
            return simfind.map_points(ctx.dataset, **options, color_by=color, query=query, negatives=negatives)
        except simfind.QueryError:
            if color == "score":
                raise
            return simfind.map_points(ctx.dataset, **options, color_by=color)

    def map_rows(self, ctx: Any, numbers: Any) -> tuple[Any, list[int]] | None:
        """The map, and the rows of some of its points; None when the browser shows another map."""
        shown = self.map_points(ctx)
        good = isinstance(numbers, list) and all(isinstance(n, int) and 0 <= n < len(shown) for n in numbers)
        if not good or not numbers or ctx.params.get("shown") != token(shown):
            ctx.ops.notify("The map has changed since it was drawn. Try again", variant="warning")
            return None
        return shown, sorted(set(numbers))


def visualizations(ctx: Any, brain_key: str, patches_field: str) -> dict[str, str]:
    """How each map of the objects of a field is called, by its name; those of an index first, and of them UMAP's."""
    runs = ctx.dataset.list_brain_runs(type="visualization")
    configs = {key: ctx.dataset.get_brain_info(key).config for key in runs}
    own = [key for key, config in configs.items() if getattr(config, "patches_field", None) == patches_field]
    of_index = {key: getattr(configs[key], "similarity_index", None) == brain_key for key in own}
    own.sort(key=lambda key: (not of_index[key], configs[key].method != "umap"))
    return {key: f"{key} ({configs[key].method})" for key in own}


def map_name(ctx: Any, brain_key: str, patches_field: str) -> str:
    """The name of an index's UMAP: one that is free, or that of an earlier map of the same objects."""
    others = set(ctx.dataset.list_brain_runs()) - set(visualizations(ctx, brain_key, patches_field))
    return free_name(f"{brain_key}_umap", patches_field, others)


def token(shown: Any) -> str:
    """What tells a map from another one: numbers of points are good for one map alone."""
    ends = [str(shown.label_ids[row]) for row in (0, -1)] if len(shown) else []
    return " ".join([shown.viz_key, str(shown.total), str(len(shown)), *ends])
