"""What all operators have in common: a form, a check of what was filled in, and errors that are sentences."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from ._errors import in_words
from ._forms import Form
from ._jobs import in_the_app


class Operator(foo.Operator):
    """An operator of the App. Subclasses define :meth:`form` and :meth:`run`, and :meth:`output` if there is any.

    What is filled in is checked by :meth:`form` alone: while it is being filled in, it is shown beside the field; when
    the operator is run, whether from the App or from a script, it is an error. FiftyOne's own check of schemas would
    answer with a stack trace.
    """

    is_seen = False  # whether what it did shows in the App anyway, so that no results need to be looked at

    def form(self, ctx: Any) -> Form:
        """The form, with what is wrong in it."""
        raise NotImplementedError

    def run(self, ctx: Any, form: Form) -> Any:
        """Do it, with the options of a form in which nothing is wrong."""
        raise NotImplementedError

    def output(self, results: dict[str, Any]) -> types.Property | None:
        """How to show what :meth:`run` returned; None shows nothing."""
        return None

    def settings(self, **more: Any) -> foo.OperatorConfig:
        """A configuration of what is the same for all."""
        return foo.OperatorConfig(dynamic=True, disable_schema_validation=True, **more)

    def resolve_type(self, ctx: Any, type: str) -> types.Property | None:
        """FiftyOne's hook for the form, with the choice of samples that it adds, and for the output."""
        try:
            return super().resolve_type(ctx, type)
        except Exception as error:  # of any kind: it would reach the browser as a stack trace
            return blocked(ctx, in_words(error))

    def resolve_input(self, ctx: Any) -> types.Property:
        try:
            return self._form(ctx).done()
        except Exception as error:  # as above
            return blocked(ctx, in_words(error))

    def resolve_output(self, ctx: Any) -> types.Property | None:
        results = ctx.results or {}
        if not isinstance(results, dict) or not results:
            return None
        if "error" not in results:
            is_seen = self.is_seen and ctx.prompt_id and not results.get("asks")
            return None if is_seen else self.output(results)
        outputs = types.Object()
        outputs.view("error", types.Error(label=str(results["error"])))
        return types.Property(outputs, view=types.View(label="Nothing was done"))

    def execute(self, ctx: Any) -> Any:
        tell = self.failed
        try:
            form = self._form(ctx)
            tell = self.refused
            form.require_sound(ctx.params)
            tell = self.failed
            return self.run(ctx, form)
        except Exception as error:
            if not in_the_app(ctx):
                raise
            return tell(ctx, in_words(error))

    def refused(self, ctx: Any, text: str) -> Any:
        """Tell the App what is wrong with what was filled in."""
        return self.failed(ctx, text)

    def failed(self, ctx: Any, text: str) -> Any:
        """Tell the App that nothing was done, and why."""
        if not self.config.execute_as_generator:
            ctx.ops.notify(text, variant="error")
            return {"error": text}
        return _tell(ctx, text)

    def _form(self, ctx: Any) -> Form:
        if ctx.dataset is None:
            raise simfind.OptionError("no dataset is open; open one first")
        return self.form(ctx)


def _tell(ctx: Any, text: str) -> Any:
    if not ctx.params.get("quiet"):
        yield ctx.ops.set_progress(label=text, progress=0)
    yield ctx.ops.notify(text, variant="error")


def blocked(ctx: Any, text: str) -> types.Property:
    """A form with nothing but the reason why the operator cannot run."""
    inputs = types.Object()
    field = inputs.view("blocked", types.Error(label=text))
    field.invalid = ctx.executor is None  # an operator that is run says so itself
    field.error_message = text
    return types.Property(inputs)


def summary(results: dict[str, Any], label: str) -> types.Property | None:
    """What was done, in words."""
    if "summary" not in results:
        return None
    outputs = types.Object()
    outputs.str("summary", label="Summary")
    return types.Property(outputs, view=types.View(label=label))


def call(operator: foo.Operator, samples: Any, delegate: bool = False, **params: Any) -> Any:
    """Run an operator on a dataset or view from a script, which confirms by calling it."""
    if params.get("overwrite"):
        params["confirm"] = True
    ctx = {"view": samples.view(), "params": params}
    return foo.execute_operator(operator.uri, ctx, request_delegation=delegate)
