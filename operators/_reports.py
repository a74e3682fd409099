"""The last evaluation of each index, kept with the dataset for the panel to draw."""

from __future__ import annotations

from typing import Any

from ._jobs import STORE

MONTH = 30 * 24 * 3600


def keep(store: Any, report: Any) -> None:
    """Keep a report for a month, in place of an earlier one of its index."""
    store.set(_key(report.brain_key), report.to_dict(), ttl=12 * MONTH)


def kept(ctx: Any, brain_key: str) -> dict[str, Any] | None:
    """The report that was kept last for an index, as a dict."""
    found: dict[str, Any] | None = ctx.store(STORE).get(_key(brain_key))
    return found


def forget(ctx: Any, brain_key: str) -> None:
    """Delete what was kept for an index."""
    ctx.store(STORE).delete(_key(brain_key))


def _key(brain_key: str) -> str:
    return f"report:{brain_key}"
