"""What a button beside the grid searched for last, for the panel to show it."""

from __future__ import annotations

import time
from typing import Any

from ._jobs import STORE, in_the_app

KEY = "searched_by_button"
SECONDS = 3600


def note(ctx: Any, query: dict[str, Any], options: dict[str, Any]) -> None:
    """Note a search of somebody who looks at the App.

    Args:
        ctx: the operator's execution context
        query: the ``ids`` and ``negatives``, and the index's ``brain_key``
        options: the search's other options
    """
    if in_the_app(ctx):
        ctx.store(STORE).set(KEY, {"at": time.time(), "query": query, "options": options}, ttl=SECONDS)


def last(ctx: Any) -> dict[str, Any] | None:
    """The last search that was noted, and the time ``at`` which it was."""
    found: dict[str, Any] | None = ctx.store(STORE).get(KEY) if ctx.dataset else None
    return found
