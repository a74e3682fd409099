"""Find objects, and their vectors, with YOLO."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs
from ._operator import Operator, call, summary


class DetectObjects(Operator):
    """A form for :func:`fiftyone_simfind.detect`."""

    @property
    def config(self):
        return self.settings(
            name="detect_objects",
            label="Simfind: detect objects",
            description="Find objects in images with a YOLO model and keep a vector of each, as a first step towards "
            "an index to search. Adds a label field to the dataset; goes on where an earlier run stopped",
            icon="center_focus_strong",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Detect objects", simfind.detect)
        ctx.target_view()
        form.text("label_field", "Label field", "The field that the objects are written to", name=True)
        form.model()
        form.text("embeddings_field", "Vector attribute", "The attribute of each object for its vector", name=True)
        form.number("confidence_thresh", "Confidence threshold", "Leave out objects less sure than this", min=0, max=1)
        form.strings("classes", "Classes", "Names of the classes to keep; empty keeps all that the model knows", ())
        form.number("image_size", "Image size", "Longest side of an image in the network, in pixels", min=64, max=4096)
        form.passes()
        form.switch("skip_failures", "Skip broken images", "Go on after an image that cannot be read")
        form.overwrite("Replace what the field holds; otherwise finished images are left alone", _lost(ctx))
        return form

    def run(self, ctx, form):
        view = ctx.target_view()
        return _jobs.run(ctx, "Detecting objects", simfind.detect, view, options=form.options(), keeps=True)

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.detect`."""
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        return summary(results, "Objects detected")


def _lost(ctx):
    """What overwriting loses."""
    field = ctx.params.get("label_field") or "objects"
    if ctx.params.get("overwrite") is not True or field not in _forms.detection_fields(ctx):
        return None
    count = ctx.target_view().count(f"{field}.detections")
    ours = "simfind" in (ctx.dataset.get_field(field).info or {})
    whose = "" if ours else ", which Simfind did not find and cannot bring back"
    return f"the {_forms.plural(count, 'object')} in “{field}”{whose}" if count else None
