"""Delete an index."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _reports
from ._operator import Operator, call, summary


class DeleteIndex(Operator):
    """A form for :func:`fiftyone_simfind.delete_index`."""

    is_seen = True

    @property
    def config(self):
        return self.settings(
            name="delete_index",
            label="Simfind: delete index",
            description="Delete an index of objects, and what it keeps outside the dataset. The objects and their "
            "vectors stay, so that it can be built again",
            icon="delete",
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.HIGH,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Delete index", simfind.delete_index)
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop("This dataset has no index of objects, so there is nothing to delete")
        form.choice("brain_key", "Index", "The index to delete", list(indexes), required=True)
        chosen = _forms.key(ctx, "brain_key") or next(iter(indexes))
        form.confirm(f"This deletes the index “{_forms.plain(chosen)}”. Objects and vectors stay")
        return form

    def run(self, ctx, form):
        options = {"brain_key": "simfind", **form.options()}
        simfind.delete_index(ctx.dataset, **options)
        _reports.forget(ctx, options["brain_key"])
        text = f"The index “{options['brain_key']}” is deleted"
        _forms.tell(ctx, text, reload=True)
        return {"summary": text}

    def __call__(self, sample_collection, delegate=False, **options):
        """Delete from a script, which confirms by calling it; options of :func:`fiftyone_simfind.delete_index`."""
        return call(self, sample_collection, delegate, confirm=True, **options)

    def output(self, results):
        return summary(results, "Index deleted")
