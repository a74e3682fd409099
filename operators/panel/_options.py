"""How to search: the form that asks for it, and what was filled in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms
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
    return ((path, field.default) for path, field in _fields(asked or form(), at))


def options(filled: Any) -> dict[str, Any]:
    """The options of :func:`fiftyone_simfind.search` that were filled in, of those that are not its defaults.

    A browser can send anything at all: what the form does not ask for, or would not take, is left out.
    """
    known = _known()
    return {name: value for name, value in _given(filled, known) if _problem(known, name, value) is None}


def checked(filled: Any) -> dict[str, Any]:
    """The same, where there is nothing to leave out.

    Raises:
        OptionError: the first option that the form does not ask for, or would not take
    """
    known = _known()
    given = dict(_given(filled, known))
    for name, value in given.items():
        problem = _problem(known, name, value)
        if problem is not None:
            raise simfind.OptionError(problem)
    return given


def filled(given: dict[str, Any]) -> dict[str, Any] | None:
    """What the form is filled with to search with some options; None where it does not take all of them."""
    known = _known()
    if any(_problem(known, name, value) for name, value in given.items() if value not in EMPTY):
        return None
    found: dict[str, Any] = {}
    left = dict(given)
    for path, default in fields():
        *places, name = path.split(".")[1:]
        inside = found
        for place in places:
            inside = inside.setdefault(place, {})
        inside[name] = left.pop(name, default)
    return None if left else found


def _fields(asked: types.Object, at: str) -> Iterator[tuple[str, types.Property]]:
    for name, field in asked.properties.items():
        inside = f"{at}.{name}"
        if isinstance(field.type, types.Object):
            yield from _fields(field.type, inside)
        else:
            yield inside, field


def _known() -> dict[str, types.Property]:
    """The fields of the form by the names of their options."""
    return {path.rpartition(".")[2]: field for path, field in _fields(form(), AT)}


def _given(filled: Any, known: dict[str, types.Property]) -> Iterator[tuple[str, Any]]:
    """What was filled in that is neither empty nor what the form shows anyway."""
    for name, value in _flat(filled):
        default = known[name].default if name in known else None
        if value not in (*EMPTY, default):
            yield name, value


def _problem(known: dict[str, types.Property], name: str, value: Any) -> str | None:
    """Why the form would not take a value; None when it would."""
    shown = _forms.cut(value)
    if name not in known:
        return f"“Search” has no option {_forms.cut(name)}; its options are {list(known)}"
    kind = known[name].type
    if isinstance(kind, types.Number):
        is_number = isinstance(value, int if kind.int else (int, float)) and not isinstance(value, bool)
        what = f"a {'whole ' * kind.int}number from {kind.min:,} to {kind.max:,}"
        return None if is_number and kind.min <= value <= kind.max else f"{name} must be {what}, and is {shown}"
    if isinstance(kind, types.Boolean):
        return None if isinstance(value, bool) else f"{name} must be true or false, and is {shown}"
    if isinstance(kind, types.Enum):
        return None if value in kind.values else f"{name}={shown} must be one of {kind.values}"
    is_list = isinstance(value, list) and len(value) <= _forms.MOST and all(isinstance(v, str) and v for v in value)
    return None if is_list else f"{name} must be a list of names, and is {shown}"


def _flat(filled: Any) -> Iterator[tuple[str, Any]]:
    for name, value in filled.items() if isinstance(filled, dict) else ():
        if isinstance(value, dict):
            yield from _flat(value)
        else:
            yield name, value
