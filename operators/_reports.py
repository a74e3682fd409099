"""The last evaluation of each index, kept with the dataset for the panel to draw."""

from __future__ import annotations

import json
import time
from typing import Any

import fiftyone_simfind as simfind

from ._jobs import STORE

YEAR = 365 * 24 * 3600
PIECE = 2**23  # characters; the database takes documents of up to 16 MB


def keep(ctx: Any, report: Any) -> None:
    """Keep a report for a year, in place of an earlier one of its index, and what the index was then."""
    forget(ctx, report.brain_key)
    store = ctx.store(STORE)
    text = json.dumps(report.to_dict())
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    for number, piece in enumerate(pieces):
        store.set(_key(report.brain_key, number), piece, ttl=YEAR)
    known = {"measured": time.time(), "version": version(ctx, report.brain_key), "pieces": len(pieces)}
    store.set(_about(report.brain_key), known, ttl=YEAR)


def kept(ctx: Any, brain_key: str) -> dict[str, Any] | None:
    """The report that was kept last for an index, as a dict."""
    store, known = ctx.store(STORE), about(ctx, brain_key)
    pieces = [store.get(_key(brain_key, number)) for number in range(known["pieces"])] if known else []
    return json.loads("".join(pieces)) if pieces and None not in pieces else None


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
    store, known = ctx.store(STORE), about(ctx, brain_key)
    store.delete(_about(brain_key))
    for number in range(known["pieces"] if known else 0):
        store.delete(_key(brain_key, number))


def _key(brain_key: str, number: int) -> str:
    return f"report:{brain_key}:{number}"


def _about(brain_key: str) -> str:
    return f"report_of:{brain_key}"
