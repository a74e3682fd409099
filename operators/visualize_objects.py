"""Show the objects as points in the plane."""

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms


class VisualizeObjects(foo.Operator):
    """A form for :func:`fiftyone_simfind.visualize`."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="visualize_objects",
            label="Simfind: visualize objects",
            description="Compute points for the Embeddings panel, where objects that look alike lie together",
            icon="bubble_chart",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def resolve_input(self, ctx):
        form = _forms.Form(ctx, simfind.visualize, "Visualize objects")
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop("This dataset has no index of objects. Run “Simfind: build index” first")
        ctx.target_view()
        form.choice("brain_key", "Index", "The index whose objects are shown", list(indexes))
        form.choice("method", "Method", "UMAP compiles its code when it first runs, for up to a minute", METHODS)
        form.text("viz_key", "Name", "Name of the visualization; empty means the index's name and the method")
        form.number("seed", "Seed", "The same seed gives the same picture", min=0, max=2**32 - 1)
        form.switch("overwrite", "Overwrite", "Replace a visualization of the same name")
        return form.done()

    def execute(self, ctx):
        return _forms.run(
            ctx,
            "Computing points",
            simfind.visualize,
            ctx.target_view(),
            describe=lambda found: f"{len(found.points):,} points computed; open the Embeddings panel to see them",
        )

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.visualize`."""
        return _forms.call(self, sample_collection, delegate, options)

    def resolve_output(self, ctx):
        return _forms.summary("Points computed")


METHODS = ["umap", "pca", "tsne"]
