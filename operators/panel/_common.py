"""What the tabs have in common."""

from __future__ import annotations

import functools
import itertools
import uuid
from collections.abc import Callable, Container
from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types
from bson import json_util

from .. import _jobs
from .._errors import in_words

PLUGIN = "@simfind/objects"
NO_INDEX = "This dataset has no index of objects. “Set up” makes one"
LONGEST_VIEW = 10_000  # characters of a view that is remembered
LOADS = ("detect_objects", "embed_objects")  # load a model before they can say how far they are


def told(handler: Callable) -> Callable:
    """Have a panel's handler say what is wrong, instead of failing with a traceback in the browser."""

    @functools.wraps(handler)
    def handle(self: Any, ctx: Any) -> Any:
        try:
            return handler(self, ctx)
        except Exception as error:  # of any kind; the App would show its traceback
            text = in_words(error)
            ctx.ops.notify(text, variant="error")
            return {"error": text}

    return handle


def row(panel: types.Object, name: str, gap: int = 1) -> types.Object:
    """A row of the panel, to put things into that lie beside each other."""
    return panel.h_stack(name, gap=gap, align_y="bottom")


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


def begin(ctx: Any, operator: str, params: dict[str, Any]) -> str:
    """Have a long operator run without its form; until it says how far it is, :func:`jobs` says that it starts.

    Returns:
        the ``start`` that its job is known by

    Raises:
        OptionError: it is under way on the dataset
    """
    _jobs.require_ended(ctx, operator)
    start = uuid.uuid4().hex
    ctx.panel.set_state("starting", {"operator": operator, "start": start})
    ctx.trigger(f"{PLUGIN}/{operator}", {**params, "start": start, "quiet": True})
    return start


def jobs(ctx: Any, panel: types.Object, on_done: Callable, on_late: Callable | None = None) -> None:
    """What is under way on the dataset, with its progress and a button to stop it.

    Args:
        ctx: the panel's context
        panel: to draw it in
        on_done: called when something has ended
        on_late: called when nothing was heard for a while of what was to start
    """
    asked = {"status_operator": f"{PLUGIN}/job_status", "cancel_operator": f"{PLUGIN}/cancel_job"}
    heard = {"on_done": on_done, **({"on_late": on_late} if on_late else {})}
    part(panel, "jobs", "Jobs", **asked, **heard, starting=ctx.panel.get_state("starting"), loads=LOADS)


def remembered(view: Any) -> str | None:
    """A view as text for the panel's state; None for the whole dataset, or one too long to be sent all the time."""
    stages = view._serialize()  # of patches, with the stage that makes them
    text = json_util.dumps(stages)
    return text if stages and len(text) <= LONGEST_VIEW else None


def recalled(ctx: Any, text: str | None) -> Any:
    """The view that :func:`remembered` gave as text; the whole dataset for None."""
    return fo.DatasetView._build(ctx.dataset, json_util.loads(text)) if text else ctx.dataset.view()


def free_name(usual: str, field: str, taken: Container[str]) -> str:
    """The usual name of a field's index or map; where something else has it, one with the field's name."""
    others = (f"{usual}_{field}_{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([usual, f"{usual}_{field}"], others) if name not in taken)
