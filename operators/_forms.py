"""What the operators' forms have in common."""

from __future__ import annotations

import inspect
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
import fiftyone.operators.types as types

PROGRESS_SECONDS = 0.25


class Form:
    """A form whose keys and defaults are those of an SDK verb.

    Args:
        ctx: the operator's execution context
        verb: the SDK function that the form is for
        label: title of the form
    """

    def __init__(self, ctx: Any, verb: Callable, label: str):
        self.inputs = types.Object()
        self._ctx = ctx
        self._label = label
        self._parameters = inspect.signature(verb).parameters

    def default(self, key: str) -> Any:
        """The verb's default for a keyword, or None."""
        value = self._parameters[key].default
        return None if value is inspect.Parameter.empty else value

    def text(self, key: str, label: str, description: str, **options: Any) -> None:
        """A line of text."""
        self.inputs.str(key, label=label, description=description, default=self.default(key), **options)

    def number(self, key: str, label: str, description: str, *, min: float, max: float) -> None:
        """A number, whole when the verb's default is; it may stay empty when the verb has no default."""
        kind = self.inputs.int if isinstance(self.default(key), int) else self.inputs.float
        field = kind(key, label=label, description=description, default=self.default(key), min=min, max=max)
        value = self._ctx.params.get(key)
        if value is not None and not min <= value <= max:
            self._refuse(field, f"must be from {min:,} to {max:,}")

    def model(self) -> None:
        """The weights to use."""
        self.text(
            "model",
            "Model",
            "YOLO weights, by name or by path on the server. They can run code: use what you trust",
        )

    def switch(self, key: str, label: str, description: str) -> None:
        """A check box."""
        self.inputs.bool(key, label=label, description=description, default=self.default(key))

    def choice(
        self,
        key: str,
        label: str,
        description: str,
        values: list[str],
        *,
        labels: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        """One of some values, shown by their ``labels`` where they have one."""
        default = self.default(key) if self.default(key) in values else next(iter(values), None)
        options.setdefault("default", default)
        shown = types.DropdownView()
        for value in values:
            shown.add_choice(value, label=(labels or {}).get(value, value))
        # FiftyOne asks scripts for what is required, even where it has a default.
        required = self.default(key) is None
        self.inputs.enum(key, values, label=label, description=description, required=required, view=shown, **options)

    def notice(self, key: str, text: str) -> None:
        """A line to read."""
        self.inputs.view(key, types.Notice(label=text))

    def obstacle(self, key: str, text: str, kind: type[types.View] = types.Warning) -> None:
        """The reason why the operator cannot run, and what to do."""
        self._refuse(self.inputs.view(key, kind(label=text)), text)

    def stop(self, text: str) -> types.Property:
        """The form with nothing but the reason why the operator cannot run, and what to do."""
        self.inputs = types.Object()
        self.obstacle("blocked", text, types.Error)
        return self.done()

    def _refuse(self, field: types.Property, text: str) -> None:
        """Disable the form's button; without a form the operator itself has to say what is wrong."""
        if self._ctx.prompt_id:
            field.invalid = True
            field.error_message = text

    def done(self) -> types.Property:
        """The form for FiftyOne."""
        return types.Property(self.inputs, view=types.View(label=self._label))


def detection_fields(ctx: Any) -> list[str]:
    """The dataset's fields of detections."""
    return list(ctx.dataset.get_field_schema(embedded_doc_type=fo.Detections))


def vector_attributes(ctx: Any, patches_field: str) -> list[str]:
    """The attributes of a field's objects that hold vectors."""
    prefix = f"{patches_field}.detections."
    schema = ctx.dataset.get_field_schema(ftype=fo.VectorField, flat=True)
    return [path[len(prefix) :] for path in schema if path.startswith(prefix)]


def object_indexes(ctx: Any) -> dict[str, str]:
    """The field of each similarity index of objects, by the index's name."""
    runs = ctx.dataset.list_brain_runs(type="similarity")
    fields = {run: getattr(ctx.dataset.get_brain_info(run).config, "patches_field", None) for run in runs}
    return {run: field for run, field in fields.items() if field}


def options(ctx: Any, verb: Callable) -> dict[str, Any]:
    """What the user filled in, of the verb's keywords; an empty field means the default."""
    keywords = inspect.signature(verb).parameters
    return {key: value for key, value in ctx.params.items() if key in keywords and value not in (None, "", [])}


def run(ctx: Any, label: str, verb: Callable, *args: Any, describe: Callable[[Any], str] = str) -> Any:
    """Run a long SDK call with what the user filled in.

    It shows a progress bar in the App, or notes its progress on the delegated operation.

    Args:
        ctx: the operator's execution context
        label: what is being done
        verb: the SDK function
        *args: its first arguments
        describe: gives the words that tell what was done, from what the verb returned

    Returns:
        a generator of messages for the App; when delegated, a dict with the ``summary``
    """

    def work(report: Callable[..., None]) -> str:
        return describe(verb(*args, **options(ctx, verb), **_reporting(verb, report)))

    return {"summary": work(ctx.set_progress)} if ctx.delegated else _with_progress(ctx, label, work)


def _reporting(verb: Callable, report: Callable[..., None]) -> dict[str, Any]:
    """The keyword that makes a verb report its progress, where it can."""

    def on_progress(bar: Any) -> None:
        report(progress=bar.progress, label=f"{bar.iteration:,} of {bar.total:,} images")

    if "progress" not in inspect.signature(verb).parameters:
        return {}
    return {"progress": fo.report_progress(on_progress, dt=PROGRESS_SECONDS)}


def _with_progress(ctx: Any, label: str, work: Callable[[Callable[..., None]], str]) -> Iterator:
    steps: queue.Queue = queue.Queue()
    yield ctx.ops.set_progress(label=label, progress=0)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work, lambda **step: steps.put(step))
        while not future.done():
            try:
                step = steps.get(timeout=PROGRESS_SECONDS)
            except queue.Empty:
                continue
            yield ctx.ops.set_progress(label=f"{label}: {step['label']}", progress=step["progress"])
    try:
        done = future.result()
    except Exception as error:  # of any kind; the App itself says nothing about an error in a generator
        yield ctx.ops.set_progress(label=str(error), progress=0)
        yield ctx.ops.notify(str(error), variant="error")
        raise
    yield ctx.ops.set_progress(label=done, progress=1)
    yield ctx.ops.reload_dataset()
    yield ctx.ops.notify(done, variant="success")


def call(operator: Any, samples: Any, delegate: bool, params: dict[str, Any]) -> Any:
    """Run an operator on a dataset or view from a script."""
    ctx = {"view": samples.view(), "params": params}
    return foo.execute_operator(operator.uri, ctx, request_delegation=delegate)


def summary(label: str) -> types.Property:
    """The output of a delegated run."""
    outputs = types.Object()
    outputs.str("summary", label="Summary")
    return types.Property(outputs, view=types.View(label=label))
