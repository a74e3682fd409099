"""What a button beside the grid searched for last, for the panel of the same browser to show it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ._jobs import STORE, in_the_app

PANEL_NAME = "object_search"
SECONDS = 3600


def note(ctx: Any, query: dict[str, Any], options: dict[str, Any]) -> None:
    """Note a search of somebody who looks at the App, for each panel that is open there.

    A request names its browser's panels, and nothing else that tells browsers apart. Those of one App server have the
    same panels, as they have the same view and selection.

    Args:
        ctx: the operator's execution context
        query: the ``ids`` and ``negatives``, and the index's ``brain_key``
        options: the search's other options
    """
    if in_the_app(ctx):
        noted = {"at": time.time(), "query": query, "options": options}
        for panel_id in _panels(ctx.request_params.get("spaces")):
            ctx.store(STORE).set(_key(panel_id), noted, ttl=SECONDS)


def last(ctx: Any) -> dict[str, Any] | None:
    """The last search that was noted for the panel, and the time ``at`` which it was."""
    found: dict[str, Any] | None = ctx.store(STORE).get(_key(ctx.panel_id)) if ctx.dataset else None
    return found


def _panels(place: Any) -> Iterator[str]:
    """The ids of the open panels in a layout of the App, or in a part of it."""
    if not isinstance(place, dict):
        return
    if place.get("type") == PANEL_NAME:
        yield str(place.get("component_id"))
    for inside in place.get("children") or ():
        yield from _panels(inside)


def _key(panel_id: str) -> str:
    return f"searched_by_button:{panel_id}"
