"""Give vectors to boxes that already exist."""

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms


class EmbedObjects(foo.Operator):
    """A form for :func:`fiftyone_simfind.embed`."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="embed_objects",
            label="Simfind: embed objects",
            description="Give every box of a label field a vector: ground truth, edited, another model's",
            icon="scatter_plot",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def resolve_input(self, ctx):
        form = _forms.Form(ctx, simfind.embed, "Embed objects")
        fields = _forms.detection_fields(ctx)
        if not fields:
            return form.stop("This dataset has no field of detections. Run “Simfind: detect objects” first")
        ctx.target_view()
        form.choice("patches_field", "Label field", "The objects to embed; their boxes stay as they are", fields)
        form.model()
        form.text("embeddings_field", "Vector attribute", "The attribute of each object for its vector")
        form.number("batch_size", "Batch size", "Images in a forward pass", min=1, max=1024)
        form.switch("overwrite", "Overwrite", "Replace vectors; otherwise objects that have one are left alone")
        return form.done()

    def execute(self, ctx):
        return _forms.run(ctx, "Embedding objects", simfind.embed, ctx.target_view())

    def __call__(self, sample_collection, patches_field, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.embed`."""
        return _forms.call(self, sample_collection, delegate, {"patches_field": patches_field, **options})

    def resolve_output(self, ctx):
        return _forms.summary("Objects embedded")
