"""Show the objects as points in the plane."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs
from ._operator import Operator, call, summary

METHODS = ["umap", "pca", "tsne"]


class VisualizeObjects(Operator):
    """A form for :func:`fiftyone_simfind.visualize`."""

    @property
    def config(self):
        return self.settings(
            name="visualize_objects",
            label="Simfind: visualize objects",
            description="Compute a map of the objects of an index, on which objects that look alike lie together, for "
            "the Embeddings panel and the map of the panel “Object search”",
            icon="bubble_chart",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Visualize objects", simfind.visualize)
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        ctx.target_view()
        form.choice("brain_key", "Index", "The index whose objects are shown", list(indexes))
        form.choice("method", "Method", "UMAP compiles its code when it first runs, for up to a minute", METHODS)
        form.text("viz_key", "Name", "Name of the visualization; empty: the index's name and the method", name=True)
        form.number("seed", "Seed", "The same seed gives the same picture", min=0, max=2**32 - 1)
        brain_key = ctx.params.get("brain_key") or next(iter(indexes))
        viz_key = ctx.params.get("viz_key") or f"{brain_key}_{ctx.params.get('method') or METHODS[0]}"
        lost = _forms.refuse_taken(ctx, form, "viz_key", viz_key, "visualization")
        form.overwrite("Replace a visualization of the same name", lost)
        return form

    def run(self, ctx, form):
        return _jobs.run(
            ctx,
            "Computing points",
            simfind.visualize,
            ctx.target_view(),
            options=form.options(),
            describe=lambda found: {
                "summary": f"{len(found.points):,} points computed; open the Embeddings panel to see them"
            },
        )

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.visualize`."""
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        return summary(results, "Points computed")
