"""What the operators' forms have in common."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _weights

# What a request may carry besides what the form asks for.
BESIDES = {"quiet", "start", "panel_id", "panel_state", "view_target", "custom_view_target"}
LONGEST = 300  # characters of a text
MOST = 1000  # strings in a list
EMPTY = (None, "", [])
LABELS_SECONDS = 60
SCOPES = {"all": "all classes", "same_class": "same class", "other_classes": "other classes"}
ENGINES = {
    "auto": "the fastest of those that are installed, found out by a short trial",
    "torch": "torch",
    "openvino": "OpenVINO",
    "onnx": "ONNX Runtime",
    "tensorrt": "TensorRT, by ONNX Runtime",
}
NO_INDEX = "This dataset has no index of objects. Run “Simfind: build index” first"


class Form:
    """A form whose keys and defaults are those of an SDK verb.

    Every field checks what was filled in. What is wrong is shown beside it while the form is being filled in, and
    :meth:`require_sound` raises it when the operator is run.

    Args:
        ctx: the operator's execution context
        label: title of the form
        *verbs: the SDK functions that the form is for
    """

    def __init__(self, ctx: Any, label: str, *verbs: Callable):
        self.inputs = types.Object()
        self._ctx = ctx
        self._label = label
        self._parameters = {
            name: parameter for verb in verbs for name, parameter in inspect.signature(verb).parameters.items()
        }
        self._problems: list[str] = []
        self._chosen: dict[str, Any] = {}

    def default(self, key: str) -> Any:
        """The verb's default for a keyword, or None."""
        value = self._parameters[key].default if key in self._parameters else None
        return None if value is inspect.Parameter.empty else value

    def value(self, key: str) -> Any:
        """What was filled in, or None; the verb's default is what the verb knows best."""
        given = self._ctx.params.get(key)
        return None if given in EMPTY else given

    def options(self) -> dict[str, Any]:
        """What was filled in and is sound, of the verb's keywords; an empty field means the default."""
        return {key: value for key, value in self._chosen.items() if key in self._parameters}

    # --- fields -------------------------------------------------------------------------------------------------------

    def text(self, key: str, label: str, description: str, *, name: bool = False, **more: Any) -> None:
        """A line of text; a ``name`` has letters, digits and underscores only."""
        more = {"default": self.default(key), "required": self._required(key), **more}
        field = self.inputs.str(key, label=label, description=description, **more)
        value = self.value(key)
        if value is None:
            self._require(field, key, label)
        elif not isinstance(value, str) or len(value) > LONGEST:
            self.refuse(field, f"{key} must be a text of at most {LONGEST} characters")
        elif name and not (value.isidentifier() and value.isascii()):
            self.refuse(field, f"{key}={value!r} must be letters, digits and underscores, and not begin with a digit")
        else:
            self._chosen[key] = value

    def number(self, key: str, label: str, description: str, *, min: float, max: float, whole: bool = False) -> None:
        """A number, whole when the verb's default is; it may stay empty when the verb's default is None."""
        whole = whole or isinstance(self.default(key), int)
        kind = self.inputs.int if whole else self.inputs.float
        field = kind(key, label=label, description=description, default=self.default(key), min=min, max=max)
        value = self.value(key)
        if value is None:
            return
        right = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        right = right and not isinstance(value, bool)
        if not right or not min <= value <= max or (whole and value != int(value)):
            self.refuse(field, f"{key} must be a {'whole ' * whole}number from {min:,} to {max:,}, and is {cut(value)}")
        else:
            self._chosen[key] = int(value) if whole else float(value)

    def switch(self, key: str, label: str, description: str) -> None:
        """A check box."""
        field = self.inputs.bool(key, label=label, description=description, default=self.default(key))
        value = self.value(key)
        if value is None:
            return
        if not isinstance(value, bool):
            self.refuse(field, f"{key} must be true or false, and is {cut(value)}")
        else:
            self._chosen[key] = value

    def choice(
        self,
        key: str,
        label: str,
        description: str,
        values: Sequence[str],
        *,
        labels: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """One of some values, shown by their ``labels`` where they have one."""
        default = self.default(key) if self.default(key) in values else next(iter(values), None)
        shown = types.DropdownView()
        for value in values:
            shown.add_choice(value, label=(labels or {}).get(value, value))
        more = {"default": default, "required": self._required(key), "view": shown, **more}
        field = self.inputs.enum(key, list(values), label=label, description=description, **more)
        value = self.value(key)
        if value is None:
            self._require(field, key, label)
        elif not isinstance(value, str) or value not in values:
            self.refuse(field, f"{key}={cut(value)} must be one of {cut(list(values), 300)}")
        else:
            self._chosen[key] = value

    def passes(self) -> None:
        """How images go through the network."""
        self.number(
            "batch_size", "Batch size", "Images in a forward pass; empty: as many as suit", min=1, max=1024, whole=True
        )
        self.choice("engine", "Engine", "What runs the network", list(ENGINES), labels=ENGINES)

    def strings(self, key: str, label: str, description: str, known: Sequence[str]) -> None:
        """Some texts, of which the ``known`` ones are proposed."""
        view = types.AutocompleteView(allow_user_input=True, allow_duplicates=False)
        for text in known:
            view.add_choice(text, label=text)
        field = self.inputs.list(key, types.String(), label=label, description=description, view=view, default=None)
        value = self.value(key)
        if value is None:
            return
        if not isinstance(value, list) or len(value) > MOST or not all(isinstance(v, str) and v for v in value):
            self.refuse(field, f"{key} must be a list of names, and is {cut(value)}")
        else:
            self._chosen[key] = value

    def counts(self, key: str, label: str, description: str, *, most: int) -> None:
        """Some whole numbers, written as “1, 5, 10” or given as a list; or one."""
        default = ", ".join(map(str, self.default(key)))
        field = self.inputs.str(key, label=label, description=description, default=default)
        value = self.value(key)
        if value is None:
            return
        parts = value.split(",") if isinstance(value, str) and len(value) <= LONGEST else value
        parts = [parts] if isinstance(parts, (int, float)) else parts
        try:
            numbers = [int(part) for part in parts if not isinstance(part, (bool, float))]
        except (TypeError, ValueError):
            numbers = []
        if not numbers or len(numbers) < len(parts) or not all(1 <= number <= most for number in numbers):
            self.refuse(field, f"{key} must be whole numbers from 1 to {most:,}, as “{default}”, and is {cut(value)}")
        else:
            self._chosen[key] = numbers

    def model(self, key: str = "model", label: str = "Model", more: str = "", known: Sequence[str] = ()) -> None:
        """A model, by a name that is known or as a file in the folders for weights."""
        view = types.AutocompleteView(allow_user_input=True)
        for name in known or _weights.SUGGESTED:
            view.add_choice(name, label=name, description=_weights.where(name))
        about = more or "YOLO weights by name, or a file in the folders for weights that the server's settings list"
        field = self.inputs.str(key, label=label, description=about, default=self.default(key), view=view)
        value = self.value(key)
        if value is None:
            return
        try:
            self._chosen[key] = _weights.allowed(value) if _weights.asked_in_the_app(self._ctx) else value
        except simfind.OptionError as error:
            self.refuse(field, str(error))

    def overwrite(self, description: str, lost: str | None) -> None:
        """A check box to replace what is there; with something to lose, ``lost``, there is one to confirm it."""
        self.switch("overwrite", "Overwrite", description)
        if lost and self._ctx.params.get("overwrite") is True:
            self.confirm(f"This replaces {lost}")

    def confirm(self, text: str) -> None:
        """A check box without which nothing that is lost can be done."""
        self.inputs.view("warning", types.Warning(label=text))
        field = self.inputs.bool("confirm", label="Yes, do so", required=True, default=False)
        if self._ctx.params.get("confirm") is not True:
            self.refuse(field, f"{text}. Tick “Yes, do so” to go on")

    # --- words --------------------------------------------------------------------------------------------------------

    def notice(self, key: str, text: str, kind: type[types.View] = types.Notice) -> None:
        """A line to read."""
        self.inputs.view(key, kind(label=text))

    def obstacle(self, key: str, text: str, kind: type[types.View] = types.Warning) -> None:
        """The reason why the operator cannot run, and what to do."""
        self.refuse(self.inputs.view(key, kind(label=text)), text)

    def stop(self, text: str) -> Form:
        """The form with nothing but the reason why the operator cannot run, and what to do."""
        self.inputs = types.Object()
        self._problems = []
        self.obstacle("blocked", text, types.Error)
        return self

    def done(self, submit: str | None = None) -> types.Property:
        """The form for FiftyOne."""
        more = {"submit_button_label": submit} if submit else {}
        return types.Property(self.inputs, view=types.PromptView(label=self._label, **more))

    # --- what is wrong ------------------------------------------------------------------------------------------------

    def require_sound(self, params: Mapping[str, Any]) -> None:
        """Raise what is wrong with what was filled in.

        Raises:
            OptionError: the first thing that is wrong
        """
        if self._problems:
            raise simfind.OptionError(self._problems[0])
        given = [key for key, value in params.items() if value not in EMPTY and key not in BESIDES]
        unknown = [key for key in given if key not in self.inputs.properties and key != "confirm"]
        if unknown:
            known = [key for key in self.inputs.properties if key in self._parameters]
            raise simfind.OptionError(f"“{self._label}” has no option {cut(unknown[0])}; its options are {known}")

    def _required(self, key: str) -> bool:
        return key in self._parameters and self._parameters[key].default is inspect.Parameter.empty

    def _require(self, field: types.Property, key: str, label: str) -> None:
        # A form shows its default before it is filled in, and a drop-down list always has one.
        if field.required and not (self._ctx.executor is None and field.default is not None):
            self.refuse(field, f"{key} is missing; choose a {label.lower()}")

    def refuse(self, field: types.Property, text: str) -> None:
        """Note what is wrong; while the form is being filled in, it shows it and disables its button."""
        self._problems.append(text)
        if self._ctx.executor is None:
            field.invalid = True
            field.error_message = text


def detection_fields(ctx: Any) -> list[str]:
    """The dataset's fields of detections."""
    return list(ctx.dataset.get_field_schema(embedded_doc_type=fo.Detections))


def attributes(ctx: Any, patches_field: str, kind: Any) -> list[str]:
    """The attributes of a field's objects that are of some types of field."""
    prefix = f"{patches_field}.detections."
    schema = ctx.dataset.get_field_schema(ftype=kind, flat=True)
    return [path[len(prefix) :] for path in schema if path.startswith(prefix)]


def vector_attributes(ctx: Any, patches_field: str) -> list[str]:
    """The attributes of a field's objects that hold vectors."""
    return attributes(ctx, patches_field, fo.VectorField)


def object_indexes(ctx: Any) -> dict[str, str]:
    """The field of each similarity index of objects, by the index's name."""
    runs = ctx.dataset.list_brain_runs(type="similarity")
    fields = {run: getattr(ctx.dataset.get_brain_info(run).config, "patches_field", None) for run in runs}
    return {run: field for run, field in fields.items() if field}


def vectors_path(ctx: Any, brain_key: str) -> str:
    """Where the vectors of an index lie."""
    config = ctx.dataset.get_brain_info(brain_key).config
    attribute = config.embeddings_field
    if attribute is None:  # of an index in a vector database
        indexes = simfind.overview(ctx.dataset).indexes
        attribute = next((index.embeddings_field for index in indexes if index.brain_key == brain_key), None)
    return f"{config.patches_field}.detections.{attribute}"


def of_whole_images(ctx: Any, brain_key: str) -> bool:
    """Whether an index is of whole images, which tell the class of one that has none."""
    if brain_key not in ctx.dataset.list_brain_runs():
        return False
    field = ctx.dataset.get_field(ctx.dataset.get_brain_info(brain_key).config.patches_field)
    return field is not None and "whole images" in ((field.info or {}).get("simfind") or {})


def refuse_taken(ctx: Any, form: Form, key: str, name: Any, kind: str) -> str | None:
    """What overwriting a Brain run loses; refuses a name that is taken, and runs that are not ours to replace."""
    if not isinstance(name, str) or name not in ctx.dataset.list_brain_runs():
        return None
    field = form.inputs.properties[key]
    if name not in ctx.dataset.list_brain_runs(type=kind):
        form.refuse(field, f"the dataset has a brain run of another kind called “{name}”; choose another {key}")
    elif ctx.params.get("overwrite") is not True:
        taken = f"dataset “{ctx.dataset.name}” already has a brain run “{name}”"
        form.refuse(field, f"{taken}; choose another {key}, or tick “Overwrite”")
    return f"the {kind} run “{name}”"


def key(ctx: Any, name: str) -> str | None:
    """A parameter that is a name, or None where it is anything else."""
    value = ctx.params.get(name)
    return value if isinstance(value, str) else None


def plain(text: Any) -> str:
    """A name for a sentence, cut off where it is long."""
    return str(text)[:80]


def tell(ctx: Any, text: str, *, reload: bool = False) -> None:
    """Say that something was done, to those who look at the App."""
    if reload:
        ctx.ops.reload_dataset()
    ctx.ops.notify(text, variant="success")


def labels(ctx: Any, patches_field: str | None) -> list[str]:
    """The labels of a field's objects for a form; none while an operator is run, which proposes nothing."""
    return [] if ctx.executor is not None or not patches_field else known_labels(ctx, patches_field)


def known_labels(ctx: Any, patches_field: str) -> list[str]:
    """The labels of a field's objects, as they were a minute ago at most."""
    return _labels(ctx.dataset.name, patches_field, int(time.time() // LABELS_SECONDS))


@lru_cache(maxsize=32)
def _labels(dataset_name: str, patches_field: str, when: int) -> list[str]:
    found = fo.load_dataset(dataset_name).distinct(f"{patches_field}.detections.label")
    return [label for label in found if label is not None][:MOST]


def plural(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def cut(value: Any, longest: int = 80) -> str:
    """A value as Python writes it, cut off where it is long."""
    shown = repr(value)
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
