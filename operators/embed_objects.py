"""Give vectors to boxes that already exist."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs, _weights
from ._operator import Operator, call, summary


class EmbedObjects(Operator):
    """A form for :func:`fiftyone_simfind.embed`."""

    @property
    def config(self):
        return self.settings(
            name="embed_objects",
            label="Simfind: embed objects",
            description="Give a vector to every box that a label field already has: ground truth, edited boxes, "
            "another model's. The boxes stay as they are; goes on where an earlier run stopped",
            icon="scatter_plot",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Embed objects", simfind.embed)
        fields = _forms.detection_fields(ctx)
        if not fields:
            return form.stop("This dataset has no field of detections. Run “Simfind: detect objects” first")
        ctx.target_view()
        form.choice("patches_field", "Label field", "The objects to embed; their boxes stay as they are", fields)
        known = (*_weights.SUGGESTED, *_weights.TORCHVISION)
        form.model(more="YOLO weights, a torchvision network or zoo:..., by name; or a weights file", known=known)
        form.text("embeddings_field", "Vector attribute", "The attribute of each object for its vector", name=True)
        about = "Longest side of an image in a YOLO network, in pixels"
        form.number("image_size", "Image size", about, min=64, max=4096, whole=True)
        form.passes()
        form.switch("skip_failures", "Skip broken images", "Go on after an image that cannot be read")
        form.overwrite("Replace vectors; otherwise objects that have one are left alone", _lost(ctx, fields))
        return form

    def run(self, ctx, form):
        options = form.options()
        field, view = options.pop("patches_field"), ctx.target_view()
        return _jobs.run(ctx, "Embedding objects", simfind.embed, view, field, options=options, keeps=True)

    def __call__(self, sample_collection, patches_field, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.embed`."""
        return call(self, sample_collection, delegate, patches_field=patches_field, **options)

    def output(self, results):
        return summary(results, "Objects embedded")


def _lost(ctx, fields):
    """What overwriting loses."""
    field = ctx.params.get("patches_field") or fields[0]
    vectors = ctx.params.get("embeddings_field") or "embedding"
    if ctx.params.get("overwrite") is not True or field not in fields:
        return None
    there = vectors in _forms.vector_attributes(ctx, field)
    return f"the vectors in “{vectors}” of the objects in “{field}”" if there else None
