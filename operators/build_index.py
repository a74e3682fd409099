"""Build the index that similarity searches use."""

import fiftyone.brain as fob
import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms


class BuildIndex(foo.Operator):
    """A form for :func:`fiftyone_simfind.build_index`."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="build_index",
            label="Simfind: build index",
            description="Index the vectors of a field's objects, for FiftyOne's own search and for ours",
            icon="manage_search",
            dynamic=True,
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def resolve_input(self, ctx):
        form = _forms.Form(ctx, simfind.build_index, "Build index")
        fields = {field: _forms.vector_attributes(ctx, field) for field in _forms.detection_fields(ctx)}
        fields = {field: vectors for field, vectors in fields.items() if vectors}
        if not fields:
            return form.stop(
                "No objects of this dataset have vectors. Run “Simfind: detect objects” or “Simfind: embed "
                "objects” first"
            )
        form.choice("patches_field", "Label field", "The objects to index", list(fields))
        chosen = ctx.params.get("patches_field", next(iter(fields)))
        form.choice("embeddings_field", "Vector attribute", "The attribute that holds the vectors", fields[chosen])
        form.text("brain_key", "Name", "Name of the index")
        form.choice("backend", "Backend", "Where the index lives", sorted(fob.brain_config.similarity_backends))
        form.switch("overwrite", "Overwrite", "Replace an index of the same name")
        return form.done()

    def execute(self, ctx):
        return _forms.run(
            ctx,
            "Building the index",
            simfind.build_index,
            ctx.dataset,
            describe=lambda index: f"{index.total_index_size:,} objects indexed",
        )

    def __call__(self, sample_collection, patches_field, delegate=False, **options):
        """Run on a dataset or view from a script, with :func:`fiftyone_simfind.build_index`'s options."""
        return _forms.call(self, sample_collection, delegate, {"patches_field": patches_field, **options})

    def resolve_output(self, ctx):
        return _forms.summary("Index built")
