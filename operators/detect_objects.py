"""Find objects, and their vectors, with YOLO."""

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms


class DetectObjects(foo.Operator):
    """A form for :func:`fiftyone_simfind.detect`."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="detect_objects",
            label="Simfind: detect objects",
            description="Find objects with YOLO, and keep a vector of each for similarity search",
            icon="center_focus_strong",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def resolve_input(self, ctx):
        form = _forms.Form(ctx, simfind.detect, "Detect objects")
        ctx.target_view()
        form.text("label_field", "Label field", "The field that the objects are written to")
        form.model()
        form.number("confidence_thresh", "Confidence threshold", "Leave out objects less sure than this", min=0, max=1)
        form.number("image_size", "Image size", "Longest side of an image in the network, in pixels", min=64, max=4096)
        form.number("batch_size", "Batch size", "Images in a forward pass", min=1, max=1024)
        form.switch("overwrite", "Overwrite", "Replace what the field holds; otherwise finished images are left alone")
        return form.done()

    def execute(self, ctx):
        return _forms.run(ctx, "Detecting objects", simfind.detect, ctx.target_view())

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.detect`."""
        return _forms.call(self, sample_collection, delegate, options)

    def resolve_output(self, ctx):
        return _forms.summary("Objects detected")
