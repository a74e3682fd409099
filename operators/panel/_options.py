"""How to search: the form that asks for it, and what was filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fiftyone.operators.types as types

from ._common import choices, row

AT = "options"  # where the panel's state holds what was filled in
MAX_MATCHES = 200  # are shown as pictures; the operator shows more of them in the grid
SCOPES = {"all": "any class", "same_class": "the same as the query", "other_classes": "others than the query"}
EMPHASES = {"none": "everything", "look": "colours", "shape": "shape and pattern", "kind": "kind of thing"}
EMPTY = (None, "", [])


def form(labels: Sequence[str] = ()) -> types.Object:
    """The form; ``labels`` are the classes that matches can be limited to."""
    asked = types.Object()
    first, kinds, ticks = (row(asked, name, gap=2) for name in ("first", "kinds", "ticks"))
    first.int("k", label="Matches", default=25, min=1, max=MAX_MATCHES)
    first.float("min_score", label="Minimum score (−1 to 1)", min=-1, max=1)
    choices(first, "emphasis", "Alike in", EMPHASES, "none")
    choices(kinds, "scope", "Class of the matches", SCOPES, "all")
    named = types.AutocompleteView(allow_user_input=False, allow_duplicates=False)
    for label in labels:
        named.add_choice(label, label=label)
    kinds.list("classes", types.String(), label="Only named classes (empty: no limit)", view=named)
    ticks.bool("one_per_image", label="One per image", default=False)
    ticks.bool("exclude_same_image", label="Other images only", default=False)
    ticks.bool("reverse", label="Least similar first", default=False)
    return asked


def fields(asked: types.Object | None = None, at: str = AT) -> Iterator[tuple[str, Any]]:
    """Where the panel's state holds what was filled into each field, and what it shows before that."""
    for name, field in (asked or form()).properties.items():
        inside = f"{at}.{name}"
        if isinstance(field.type, types.Object):
            yield from fields(field.type, inside)
        else:
            yield inside, field.default


def options(filled: dict[str, Any] | None) -> dict[str, Any]:
    """The options of :func:`fiftyone_simfind.search` that were filled in, of those that are not its defaults."""
    defaults = {path.rpartition(".")[2]: default for path, default in fields()}
    return {name: value for name, value in _flat(filled) if value not in (*EMPTY, defaults.get(name))}


def filled(given: dict[str, Any]) -> dict[str, Any] | None:
    """What the form is filled with to search with some options; None where it does not have all of them."""
    found: dict[str, Any] = {}
    left = dict(given)
    for path, default in fields():
        *places, name = path.split(".")[1:]
        inside = found
        for place in places:
            inside = inside.setdefault(place, {})
        inside[name] = left.pop(name, default)
    return None if left else found


def _flat(filled: dict[str, Any] | None) -> Iterator[tuple[str, Any]]:
    for name, value in (filled or {}).items():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, value
