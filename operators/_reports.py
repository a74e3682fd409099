"""The last evaluation of each index, kept with the dataset for the panel to draw."""

from __future__ import annotations

import time
from typing import Any

import fiftyone_simfind as simfind

from ._jobs import STORE

MONTH = 30 * 24 * 3600


def keep(ctx: Any, report: Any) -> None:
    """Keep a report for a year, in place of an earlier one of its index, and what the index was then."""
    store = ctx.store(STORE)
    store.set(_key(report.brain_key), report.to_dict(), ttl=12 * MONTH)
    about = {"measured": time.time(), "version": version(ctx, report.brain_key)}
    store.set(_about(report.brain_key), about, ttl=12 * MONTH)


def kept(ctx: Any, brain_key: str) -> dict[str, Any] | None:
    """The report that was kept last for an index, as a dict."""
    found: dict[str, Any] | None = ctx.store(STORE).get(_key(brain_key))
    return found


def about(ctx: Any, brain_key: str) -> dict[str, Any] | None:
    """When the report was made that was kept last, ``measured``, and of which ``version`` of the index."""
    found: dict[str, Any] | None = ctx.store(STORE).get(_about(brain_key))
    return found


def version(ctx: Any, brain_key: str) -> str | None:
    """The present version of an index; None where that cannot be told."""
    indexes = {index.brain_key: index for index in simfind.overview(ctx.dataset).indexes}
    return indexes[brain_key].version if brain_key in indexes else None


def forget(ctx: Any, brain_key: str) -> None:
    """Delete what was kept for an index."""
    ctx.store(STORE).delete(_key(brain_key))
    ctx.store(STORE).delete(_about(brain_key))


def _key(brain_key: str) -> str:
    return f"report:{brain_key}"


def _about(brain_key: str) -> str:
    return f"report_of:{brain_key}"
