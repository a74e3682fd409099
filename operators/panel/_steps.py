"""The lines of the tab "Set up": what a dataset has, in words, from :func:`fiftyone_simfind.overview`."""

from __future__ import annotations

import os
from typing import Any

from .._forms import plural

UP_TO_A_SEARCH = ("detect", "embed", "build_index", "refresh")


def lines(seen: dict[str, Any], field: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A line for each of objects, vectors, index and map.

    Args:
        seen: an ``Overview`` as plain JSON types
        field: its field that is looked at, or None

    Returns:
        per line its ``name``, ``title``, ``detail``, ``state``, the verb of its button, and the button's words
    """
    field = field or {"patches_field": None, "objects": 0, "unseen": 0, "vectors": [], "next_step": "detect"}
    own = [index for index in seen["indexes"] if index["patches_field"] == field["patches_field"]]
    maps = [found for found in seen["visualizations"] if found["patches_field"] == field["patches_field"]]
    found = [_objects(seen, field), _vectors(field), _index(own, bool(field["vectors"])), _map(maps, bool(own))]
    return [{**line, "next": line["step"] == field["next_step"]} for line in found]


def _objects(seen: dict, field: dict) -> dict[str, Any]:
    images = plural(seen["samples"], "image")
    if not field["objects"]:
        return _line("objects", "No objects yet", images, "missing", "detect", "Find objects")
    title = plural(field["objects"], "object")
    where = f"in “{field['patches_field']}” of {images}"
    if field["unseen"]:
        return _line(
            "objects",
            title,
            f"{where}; {plural(field['unseen'], 'was', 'were')} not looked at yet",
            "stale",
            "detect",
            "Go on",
        )
    return _line("objects", title, where, "done", "detect", "Find more")


def _vectors(field: dict) -> dict[str, Any]:
    if not field["vectors"]:
        detail = "They come with the objects that YOLO finds" if not field["objects"] else "Existing boxes get them too"
        ready = "embed" if field["objects"] else None
        return _line("vectors", "No vectors yet", detail, "missing", ready, "Embed the boxes")
    best = max(field["vectors"], key=lambda some: some["count"])
    lacking = field["objects"] - best["count"] - best["impossible"]
    made = f"by {os.path.basename(best['weights'] or best['model'])}" if best["model"] else "by another tool"
    title = f"{plural(best['count'], 'vector')} in “{best['attribute']}”"
    if lacking > 0:
        return _line(
            "vectors",
            title,
            f"{made}; {plural(lacking, 'box has', 'boxes have')} none",
            "stale",
            "embed",
            "Embed the rest",
        )
    return _line("vectors", title, made, "done", "embed", "Embed again")


def _index(indexes: list[dict], ready: bool) -> dict[str, Any]:
    if not indexes:
        step = "build_index" if ready else None
        return _line("index", "No index yet", "It makes searching quick", "missing", step, "Build the index")
    index = next((some for some in indexes if some["stale"]), indexes[0])
    title = f"Index “{index['brain_key']}”"
    if index["size"] is not None:
        title += f" of {plural(index['size'], 'object')}"
    if index["stale"]:
        return _line("index", title, _changes(index["status"]), "stale", "refresh", "Bring up to date")
    known = "up to date" if index["stale"] is False else f"kept by {index['backend']}"
    return _line("index", title, known, "done", "build_index", "Build another")


def _changes(status: dict | None) -> str:
    if status is None:
        return "many objects have changed since it was made"
    told = {
        "new": "new",
        "edited": "edited",
        "relabelled": "with another label",
        "removed": "removed",
        "other_model": "of another model",
        "not_indexed": "not in it",
    }
    return ", ".join(f"{status[key]:,} {words}" for key, words in told.items() if status[key])


def _map(maps: list[dict], ready: bool) -> dict[str, Any]:
    if not maps:
        detail = "Objects that look alike lie together in it"
        return _line("map", "No map yet", detail, "missing", "visualize" if ready else None, "Make the map")
    return _line("map", f"Map “{maps[0]['viz_key']}”", maps[0]["method"].upper(), "done", "visualize", "Make another")


def _line(name: str, title: str, detail: str, state: str, step: str | None, action: str) -> dict[str, Any]:
    return {"name": name, "title": title, "detail": detail, "state": state, "step": step, "action": action}
