"""Search for an object in a photo of the user's own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms, _settings, _weights
from .._errors import in_words
from . import _photos
from ._common import PLUGIN, alert, choices, part, row, told

URLS_OFF = (
    "A photo's address can be given where whoever runs the server allows it, with the setting “allow_urls” of "
    f"{PLUGIN} (see docs/plugin.md)"
)
NO_INDEX = "This dataset has no index of objects to search with a photo. “Set up” makes one"
NOTHING_FOUND = (
    "The index's model found no object in this photo. Search for the whole photo, or give one in which the object "
    "is larger; a model that looks at crops finds none by itself, so crop the photo to the object first"
)
HOW_TO_PICK = "Click one of the numbered boxes, or “Whole photo”"


def answered(handler: Callable) -> Callable:
    """Have what is wrong with a photo said where the photo is given."""

    @functools.wraps(handler)
    def handle(self: Any, ctx: Any) -> dict[str, Any]:
        try:
            key = handler(self, ctx)
        except Exception as error:  # of any kind, since models and decoders raise what they like
            ctx.panel.set_state("photo.problem", in_words(error))
            return {"photo": None}
        return {"photo": key}

    return handle


class PhotoTab:
    """The tab "Photo".

    The panel's state holds ``photo``: the ``key`` of a photo that is kept on the server, the ``brain_key`` of the index
    it was looked at for, and whether it was ``searched``. What is found is the search's, as in the tab "Search".
    """

    def render_photo(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            alert(panel, "none", NO_INDEX, "warning")
            return
        try:
            settings = _settings.load()
        except simfind.SimfindError as error:
            alert(panel, "settings", str(error), "error")
            return
        if len(indexes) > 1:
            form = row(panel, "photo_form")
            shown = {name: f"{name} ({field})" for name, field in indexes.items()}
            choices(form, "brain_key", "Index", shown, self._photo_index(ctx), on_change=self.on_photo_index)
        photo = ctx.panel.get_state("photo") or {}
        query = (ctx.panel.get_state("search.query") or {}) if photo.get("searched") else {}
        key, number = (query["photo"], query.get("candidate")) if query.get("photo") else (photo.get("key"), None)
        self._render_photo(panel, photo, key, number, settings)
        if key:
            self._render_search(ctx, panel, query)

    def _render_photo(
        self, panel: types.Object, photo: dict[str, Any], key: str, number: int | None, settings: _settings.Settings
    ) -> None:
        part(
            panel,
            "photo_part",
            "Photo",
            photo=key,
            chosen=number,
            again=photo.get("again"),
            problem=photo.get("problem"),
            notes=photo.get("notes") if key == photo.get("key") else [],
            max_bytes=settings.max_bytes,
            no_urls=None if settings.allow_urls else URLS_OFF,
            pictures=f"{PLUGIN}/object_pictures",
            on_given=self.on_photo_given,
            on_url=self.on_photo_url,
            on_pick=self.on_photo_pick,
        )

    def _render_search(self, ctx: Any, panel: types.Object, query: dict[str, Any]) -> None:
        """Draw how to search, and what was found if something was searched for."""
        self.render_options(ctx, panel, on_search=self.on_photo_search)
        if query.get("ids") or query.get("negatives"):
            self.render_wanted(ctx, panel, query)
        if query:
            self.render_found(ctx, panel)

    def _photo_index(self, ctx: Any) -> str:
        indexes = _forms.object_indexes(ctx)
        chosen = ctx.panel.get_state("photo_form.brain_key"), ctx.panel.get_state("search.query.brain_key"), "simfind"
        return next((name for name in chosen if name in indexes), min(indexes, default=""))

    # --- what the user does -------------------------------------------------------------------------------------------

    @answered
    def on_photo_given(self, ctx: Any) -> str:
        """A photo was uploaded, dropped or pasted."""
        content = _photos.decoded(ctx.params.get("content"), _settings.load().max_bytes)
        return self._look_at(ctx, content, ctx.params.get("before"))

    @answered
    def on_photo_url(self, ctx: Any) -> str:
        """The address of a photo was given."""
        settings = _settings.load()
        if not settings.allow_urls:
            raise simfind.OptionError(URLS_OFF)
        url = str(ctx.params.get("url") or "").strip()
        return self._look_at(
            ctx, simfind.fetch_image(url, max_bytes=settings.max_bytes, allowed_hosts=settings.url_hosts)
        )

    def _look_at(self, ctx: Any, content: bytes, before: Any = None) -> str:
        """Find the objects of a photo, and show them; ``before`` is its size before the browser scaled it down."""
        settings, brain_key = _settings.load(), self._photo_index(ctx)
        if not brain_key:
            raise simfind.BrainRunError(NO_INDEX)
        pixels = simfind.read_image(content, max_bytes=settings.max_bytes, max_pixels=int(settings.max_pixels))
        candidates = _weights.candidates(ctx, brain_key, _forms.vectors_path(ctx, brain_key), pixels)
        notes = [NOTHING_FOUND] if len(candidates) == 1 else []
        if _is_size(before):
            height, width = pixels.shape[:2]
            notes.append(f"Scaled down from {before[0]:,} x {before[1]:,} to {width:,} x {height:,} pixels to be sent")
        key = _photos.keep(ctx, brain_key, pixels, candidates)
        ctx.panel.set_state("photo", {"key": key, "brain_key": brain_key, "notes": notes})
        return key

    def on_photo_index(self, ctx: Any) -> None:
        """Another index was chosen, whose model may be another one: the browser gives the photo again if it can."""
        key = ctx.panel.get_state("photo.key")
        if key and ctx.panel.get_state("photo.brain_key") != self._photo_index(ctx):
            ctx.panel.set_state("photo", {"again": key})

    @told
    def on_photo_pick(self, ctx: Any) -> None:
        """An object of the photo was clicked, or the whole photo."""
        key, number = ctx.params.get("photo"), ctx.params.get("candidate")
        chosen = _photos.candidate(ctx, key, number)
        brain_key = _photos.kept(ctx, key)["brain_key"]
        query = {"photo": key, "candidate": number, "label": chosen.label or "whole photo", "brain_key": brain_key}
        self.search_for(ctx, query)
        ctx.panel.set_state("photo.searched", True)

    @told
    def on_photo_search(self, ctx: Any) -> None:
        """Search again for what was looked for last, with the options as they are now."""
        query = ctx.panel.get_state("search.query")
        if not query or not ctx.panel.get_state("photo.searched"):
            ctx.ops.notify(HOW_TO_PICK, variant="warning")
            return
        self.search_for(ctx, query)

    def photo_candidates(self, ctx: Any, query: dict[str, Any]) -> list[simfind.Candidate]:
        """The object of an outside photo that a query is for, if it is for one."""
        if not query.get("photo"):
            return []
        return [_photos.candidate(ctx, query["photo"], query.get("candidate"))]


def _is_size(given: Any) -> bool:
    return isinstance(given, list) and len(given) == 2 and all(isinstance(side, int) for side in given)
