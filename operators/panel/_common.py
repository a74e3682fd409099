"""What the tabs have in common."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

PLUGIN = "@simfind/objects"


def told(handler: Callable) -> Callable:
    """Have a panel's handler say what is wrong, instead of failing with a traceback in the browser."""

    @functools.wraps(handler)
    def handle(self: Any, ctx: Any) -> Any:
        try:
            return handler(self, ctx)
        except simfind.SimfindError as error:
            ctx.ops.notify(str(error), variant="error")
            return {"error": str(error)}

    return handle


def row(panel: types.Object, name: str, **options: Any) -> types.Object:
    """A row of the panel, to put things into that lie beside each other."""
    return panel.h_stack(name, gap=1, align_y="bottom", **options)


def alert(panel: types.Object, name: str, text: str, severity: str = "info") -> None:
    """A line that stands out: ``"info"``, ``"success"``, ``"warning"`` or ``"error"``."""
    panel.view(name, types.AlertView(label=text, severity=severity))


def part(panel: types.Object, name: str, component: str, **props: Any) -> None:
    """One of the components of ``components.js``; methods of the panel become names that it can trigger."""
    panel.view(name, types.View(component=f"Simfind{component}", composite_view=True, **props))


def choices(panel: types.Object, name: str, label: str, shown: dict[str, str], default: str, **options: Any) -> None:
    """A drop-down list of values, by what each is shown as."""
    view = types.DropdownView()
    for value, words in shown.items():
        view.add_choice(value, label=words)
    panel.enum(name, list(shown), label=label, default=default, view=view, **options)
