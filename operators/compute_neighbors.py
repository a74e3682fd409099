"""Find the nearest objects of every object."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs
from ._operator import Operator, call

NEAR = 0.98  # two objects that score more are told to be near-duplicates


class ComputeNeighbors(Operator):
    """A form for :func:`fiftyone_simfind.compute_neighbors`."""

    @property
    def config(self):
        return self.settings(
            name="compute_neighbors",
            label="Simfind: compute neighbors",
            description="Find the nearest objects of every object of an index at once, and keep them with the dataset "
            "as a table: for near-duplicates, outliers and graphs",
            icon="hub",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Compute neighbors", simfind.compute_neighbors)
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        ctx.target_view()
        form.choice("brain_key", "Index", "The index whose objects are compared", list(indexes))
        form.number("k", "Neighbors", "At most this many of each object", min=1, max=1000)
        form.choice("scope", "Scope", "As the label of each object", list(_forms.SCOPES), labels=_forms.SCOPES)
        form.number("min_score", "Minimum score", "Leave out neighbors that score less", min=-1, max=1)
        form.switch("exclude_same_image", "Other images only", "Leave out objects in the object's own image")
        about = "New attribute of the objects for the ids of their neighbors; empty writes nothing onto them"
        form.text("neighbors_field", "Attribute", about, name=True)
        return form

    def run(self, ctx, form):
        view, options = ctx.target_view(), form.options()
        return _jobs.run(
            ctx, "Computing neighbors", simfind.compute_neighbors, view, options=options, describe=_describe
        )

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.compute_neighbors`."""
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        outputs = types.Object()
        outputs.str("summary", label="Summary")
        outputs.int("objects", label="Objects")
        outputs.int("pairs", label="Pairs of an object and a neighbor")
        outputs.int("near_duplicates", label=f"Pairs of objects that are almost the same (score above {NEAR})")
        return types.Property(outputs, view=types.View(label="Neighbors computed"))


def _describe(table):
    pairs = int((table.neighbors >= 0).sum())
    near = len(table.near_duplicates(NEAR))
    objects = _forms.plural(len(table), "object")
    text = f"{pairs:,} neighbors of {objects}, {_forms.plural(near, 'pair')} almost the same"
    kept = f"{text}. simfind.load_neighbors(dataset) gives the table in Python"
    return {"summary": kept, "objects": len(table), "pairs": pairs, "near_duplicates": near}
