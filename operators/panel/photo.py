"""Search for an object in a photo of the user's own."""

from __future__ import annotations

from typing import Any


class PhotoTab:
    """The tab "Photo"."""

    def photo_candidates(self, ctx: Any, query: dict[str, Any]) -> list[Any]:
        """The object of an outside photo that a query is for, if it is for one."""
        return []
