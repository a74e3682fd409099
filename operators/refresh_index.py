"""Bring an index up to date."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs, _weights
from ._errors import in_words
from ._operator import Operator, call, summary


class RefreshIndex(Operator):
    """A form for :func:`fiftyone_simfind.refresh`."""

    @property
    def config(self):
        return self.settings(
            name="refresh_index",
            label="Simfind: refresh index",
            description="Embed objects that are new or whose box was edited since the index was made, drop those that "
            "are gone, and change nothing else of the index",
            icon="sync",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.MEDIUM,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Refresh index", simfind.refresh)
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        form.choice("brain_key", "Index", "The index to bring up to date", list(indexes))
        if ctx.executor is None:
            _tell_status(ctx, form, next(iter(indexes)))
        form.model(more="Empty: the one that made the vectors, from where it was loaded then")
        form.number("batch_size", "Batch size", "Images in a forward pass", min=1, max=1024)
        form.switch("skip_failures", "Skip broken images", "Go on after an image that cannot be read")
        return form

    def run(self, ctx, form):
        options = form.options()
        if "model" not in options:
            options |= _weights.recorded(ctx, _forms.vectors_path(ctx, options.get("brain_key", "simfind")))
        return _jobs.run(ctx, "Refreshing the index", simfind.refresh, ctx.dataset, options=options, keeps=True)

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset from a script, with the options of :func:`fiftyone_simfind.refresh`."""
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        return summary(results, "Index refreshed")


def _tell_status(ctx, form, first):
    """Say what there is to do, or that this index cannot be refreshed."""
    try:
        status = simfind.status(ctx.dataset, brain_key=ctx.params.get("brain_key") or first)
    except simfind.BrainRunError as error:
        return form.obstacle("status", in_words(error))
    kind = types.Success if status.up_to_date else types.Notice
    return form.notice("status", f"{status}".replace('"', "“", 1).replace('"', "”", 1), kind)
