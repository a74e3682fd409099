"""Build the index that similarity searches use."""

import fiftyone.brain as fob
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs
from ._operator import Operator, call, summary


class BuildIndex(Operator):
    """A form for :func:`fiftyone_simfind.build_index`."""

    @property
    def config(self):
        return self.settings(
            name="build_index",
            label="Simfind: build index",
            description="Make a new index of the vectors of a field's objects, which searches, visualizations and "
            "evaluations work on; it is an ordinary Brain run. To bring an existing one up to date, refresh it",
            icon="manage_search",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Build index", simfind.build_index)
        fields = {field: _forms.vector_attributes(ctx, field) for field in _forms.detection_fields(ctx)}
        fields = {field: vectors for field, vectors in fields.items() if vectors}
        if not fields:
            return form.stop(
                "No objects of this dataset have vectors. Run “Simfind: detect objects” or “Simfind: embed "
                "objects” first"
            )
        form.choice("patches_field", "Label field", "The objects to index", list(fields))
        vectors = fields.get(_forms.key(ctx, "patches_field"), next(iter(fields.values())))
        form.choice("embeddings_field", "Vector attribute", "The attribute that holds the vectors", vectors)
        form.text("brain_key", "Name", "Name of the index", name=True)
        form.choice("backend", "Backend", "Where the index lives", sorted(fob.brain_config.similarity_backends))
        lost = _forms.refuse_taken(ctx, form, "brain_key", ctx.params.get("brain_key") or "simfind", "similarity")
        form.overwrite("Replace an index of the same name", lost)
        return form

    def run(self, ctx, form):
        options = form.options()
        field = options.pop("patches_field")
        return _jobs.run(
            ctx,
            "Building the index",
            simfind.build_index,
            ctx.dataset,
            field,
            options=options,
            describe=lambda index: {"summary": f"{index.total_index_size:,} objects indexed"},
        )

    def __call__(self, sample_collection, patches_field, delegate=False, **options):
        """Run on a dataset or view from a script, with :func:`fiftyone_simfind.build_index`'s options."""
        return call(self, sample_collection, delegate, patches_field=patches_field, **options)

    def output(self, results):
        return summary(results, "Index built")
