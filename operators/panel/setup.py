"""What exists, and what is to be done next."""

from __future__ import annotations

import inspect
import uuid
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms, _jobs, _weights
from . import _steps
from ._common import PLUGIN, alert, begin, choices, free_name, jobs, part, row, told
from ._mapped import map_name

TARGETS = {"DATASET": "all images", "CURRENT_VIEW": "the view in the grid", "SELECTED_SAMPLES": "the ticked images"}
WHEN = {"now": "now", "scheduled": "scheduled, for “fiftyone delegated launch”"}
OPERATORS = {
    "detect": "detect_objects",
    "embed": "embed_objects",
    "build_index": "build_index",
    "refresh": "refresh_index",
    "visualize": "visualize_objects",
}
NEW_FIELD = "objects"
NONE_TICKED = "No image is ticked. Tick some in the grid, or choose other “Images”"
NEW_INDEX = inspect.signature(simfind.build_index).parameters["brain_key"].default


class SetupTab:
    """The tab "Set up": the steps from images to a search, and one button that takes all that are missing.

    The panel's state holds ``setup.seen``, what exists, and ``setup.chain``, the ``step`` that was started by that
    button and the ``start`` that its job is known by.
    """

    def look(self, ctx: Any) -> None:
        """Find out what exists; it is kept in the state, because drawing must not ask the database again."""
        seen = simfind.overview(ctx.dataset) if ctx.dataset else None
        best = seen.best.patches_field if seen and seen.best else None
        ctx.panel.set_state("setup.seen", {**seen.to_dict(), "best": best} if seen else None)
        if best and not ctx.panel.get_state("run.field"):
            ctx.panel.set_state("run.field", best)  # or the App reports its default as a change

    @told
    def on_setup_look(self, ctx: Any) -> None:
        """The user wants to know what exists now."""
        ctx.panel.set_state("setup.chain", None)
        self.look(ctx)

    @told
    def on_setup_done(self, ctx: Any) -> None:
        """An operator has ended: see what exists now, and take the next step when all were asked for."""
        self.look(ctx)
        job = self._chained(ctx)
        if job is None or job["state"] == "running":  # something else has ended
            return
        before = ctx.panel.get_state("setup.chain")["step"]
        ctx.panel.set_state("setup.chain", None)  # unless another step starts, which may be refused
        step = self._missing(ctx)
        if step == before == "detect":  # images that cannot be read
            step = "build_index"
        if job["state"] == "done" and step in _steps.UP_TO_A_SEARCH and step != before:
            ctx.panel.set_state("setup.chain", {"step": step, "start": self._start(ctx, step)})

    @told
    def on_setup_return(self, ctx: Any) -> None:
        """The tab was opened again, or nothing was heard of what was to start; it may have ended meanwhile."""
        if self._chained(ctx) is None:
            ctx.panel.set_state("setup.chain", None)
        self.on_setup_done(ctx)

    def _chained(self, ctx: Any) -> dict[str, Any] | None:
        """The job of the step that was started by the button for all of them, once it has begun."""
        start = (ctx.panel.get_state("setup.chain") or {}).get("start")
        return next((job for job in _jobs.jobs(ctx) if start and job.get("start") == start), None)

    def on_setup_field(self, ctx: Any) -> None:
        """Another field was chosen: the steps are drawn for it."""

    def render_setup(self, ctx: Any, panel: types.Object) -> None:
        """Draw the tab."""
        seen = ctx.panel.get_state("setup.seen")
        if not seen:
            alert(panel, "no_dataset", "Open a dataset of images first", "warning")
        elif not seen["samples"]:
            alert(panel, "no_images", "This dataset has no images. Add some to it first", "warning")
        else:
            self._render_steps(ctx, panel, seen)
        jobs(ctx, panel, self.on_setup_done, on_late=self.on_setup_return)

    def _render_steps(self, ctx: Any, panel: types.Object, seen: dict) -> None:
        missing = self._missing(ctx)
        lines = _steps.lines(seen, self._field(ctx))
        part(panel, "steps", "Steps", steps=lines, on_step=self.on_setup_step, on_form=self.on_setup_form)
        self._render_options(ctx, panel, seen, missing)
        buttons = row(panel, "buttons")
        if ctx.panel.get_state("setup.chain"):
            buttons.btn("wait", label="Working on it ...", on_click=self.on_setup_look, disabled=True)
        elif missing in _steps.UP_TO_A_SEARCH:
            buttons.btn("all", label="Make objects searchable", on_click=self.on_setup_all, variant="contained")
        elif missing in (None, "visualize"):
            buttons.btn("choose", label="Choose an object", on_click=self.on_setup_choose, variant="contained")
        buttons.btn("look", label="Look again", on_click=self.on_setup_look)

    def _render_options(self, ctx: Any, panel: types.Object, seen: dict, missing: str | None) -> None:
        form = row(panel, "run")
        names = [field["patches_field"] for field in seen["fields"]]
        if len(names) > 1:
            shown = {name: name for name in names}
            choices(form, "field", "Objects in", shown, seen["best"], on_change=self.on_setup_field)
        if missing in ("detect", "embed"):
            if not self._adds_to(ctx, missing):
                models = _weights.offered(finds_objects=missing == "detect")
                choices(form, "model", "Model", models, next(iter(models)))
            choices(form, "target", "Images", TARGETS, "DATASET")
        if missing and fo.config.allow_legacy_orchestrators:
            choices(form, "when", "When", WHEN, "now")

    def _field(self, ctx: Any) -> dict[str, Any] | None:
        """The field of objects that is shown: the chosen one, or the one that has come furthest."""
        seen = ctx.panel.get_state("setup.seen") or {"fields": []}
        fields = {field["patches_field"]: field for field in seen["fields"]}
        return fields.get(ctx.panel.get_state("run.field")) or fields.get(seen.get("best"))

    def _missing(self, ctx: Any) -> str | None:
        field = self._field(ctx)
        return field["next_step"] if field else "detect"

    @told
    def on_setup_all(self, ctx: Any) -> None:
        """Take the first missing step; :meth:`on_setup_done` takes the others."""
        step = self._missing(ctx)
        ctx.panel.set_state("setup.chain", None)  # as long as this one may be refused
        ctx.panel.set_state("setup.chain", {"step": step, "start": self._start(ctx, step)})

    @told
    def on_setup_choose(self, ctx: Any) -> None:
        """Show the objects in the grid, where one can be ticked, and the tab that searches for it."""
        ctx.ops.set_view(view=simfind.images(ctx.dataset).to_patches(self._field(ctx)["patches_field"]))
        ctx.panel.set_state("tab", "search")

    @told
    def on_setup_step(self, ctx: Any) -> None:
        """Take one step, with the options beside it."""
        self._start(ctx, ctx.params["step"])

    @told
    def on_setup_form(self, ctx: Any) -> None:
        """Show a step's full form."""
        step = ctx.params["step"]
        ctx.prompt(f"{PLUGIN}/{OPERATORS[step]}", params=self._params(ctx, step))

    def _start(self, ctx: Any, step: str) -> str:
        """Start a step, or put it on the queue; gives the ``start`` that its job is known by."""
        params, uri = self._params(ctx, step), f"{PLUGIN}/{OPERATORS[step]}"
        if params.get("view_target") == "SELECTED_SAMPLES" and not ctx.selected:
            raise simfind.OptionError(NONE_TICKED)
        if ctx.panel.get_state("run.when") == "scheduled":
            return _schedule(ctx, uri, params)
        # What the operator would refuse is refused here: the panel does not hear how it ended in the browser.
        request = {**ctx.request_params, "params": dict(params)}  # a copy, because a context changes its request
        given = foo.ExecutionContext(request, executor=ctx.executor, operator_uri=uri)
        foo.get_operator(uri).form(given).require_sound(given.params)
        return begin(ctx, OPERATORS[step], params)

    def _params(self, ctx: Any, step: str) -> dict[str, Any]:
        """What an operator is given: the field or its index, and the options beside the steps."""
        field = self._field(ctx)
        name = field["patches_field"] if field else NEW_FIELD
        if step == "detect":  # what found other boxes than YOLO's has a field of its own
            own = field is None or not field["objects"] or field["unseen"]
            return {"label_field": name if own else NEW_FIELD, **self._looks(ctx, step)}
        if step == "embed":
            return {"patches_field": name, **self._looks(ctx, step)}
        if step == "build_index":
            return {"patches_field": name, **self._new_name(ctx, name)}
        indexes = ctx.panel.get_state("setup.seen.indexes") or []
        own = [index for index in indexes if index["patches_field"] == name]
        stale = [index for index in own if index["stale"]] if step == "refresh" else []
        if not own:
            return {}
        brain_key = (stale or own)[0]["brain_key"]
        if step == "refresh":
            return {"brain_key": brain_key}
        return {"brain_key": brain_key, "viz_key": map_name(ctx, brain_key, name), "view_target": "DATASET"}

    def _new_name(self, ctx: Any, field: str) -> dict[str, str]:
        """The name of a new index, where the usual one is that of something else than an index of this field."""
        own = {NEW_INDEX} if _forms.object_indexes(ctx).get(NEW_INDEX) == field else set()
        return {"brain_key": free_name(NEW_INDEX, field, set(ctx.dataset.list_brain_runs()) - own)}

    def _looks(self, ctx: Any, step: str) -> dict[str, Any]:
        """The model, which stays the same for the rest of the images or boxes, and the images that it looks at."""
        run, made = ctx.panel.get_state("run") or {}, self._adds_to(ctx, step)
        target = {"view_target": run.get("target") or "DATASET"}
        if made:
            return {"model": made["weights"], "embeddings_field": made["attribute"], **target}
        return {"model": run.get("model") or next(iter(_weights.offered(finds_objects=step == "detect"))), **target}

    def _adds_to(self, ctx: Any, step: str) -> dict[str, Any] | None:
        """The vectors that a step makes the rest of, by the same model; None where it makes others."""
        field = self._field(ctx) or {}
        known = [made for made in field.get("vectors", []) if made["weights"]]
        made = max(known, key=lambda some: some["count"], default=None)
        if made is None or step == "detect":
            return made if field.get("unseen") else None
        return made if made["count"] + made["impossible"] < field["objects"] else None


def _schedule(ctx: Any, uri: str, params: dict[str, Any]) -> str:
    """Put an operator on the queue; gives the ``start`` that its job is known by."""
    ctx.panel.set_state("starting", None)  # nobody knows when
    params = {**params, "start": uuid.uuid4().hex}
    # With its "operator_uri", as the App would: what a form may not load is refused on the queue, too.
    asked = {"view": ctx.view, "selected": ctx.selected, "operator_uri": uri, "params": params}
    foo.execute_operator(uri, asked, request_delegation=True)
    ctx.ops.notify("Scheduled. “fiftyone delegated launch” runs it", variant="success")
    return str(params["start"])
