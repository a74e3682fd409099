"""Remove the scores that a search wrote."""

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms
from ._operator import Operator, call, summary


class ClearScores(Operator):
    """A form for :func:`fiftyone_simfind.clear_scores`."""

    is_seen = True

    @property
    def config(self):
        return self.settings(
            name="clear_scores",
            label="Simfind: clear scores",
            description="Remove the attribute with the scores that a search wrote onto the objects of a field. "
            "Attributes that no search wrote cannot be removed with this",
            icon="layers_clear",
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.HIGH,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Clear scores", simfind.clear_scores)
        fields = score_fields(ctx)
        if not fields:
            return form.stop("No search has written scores in this dataset, so there is nothing to clear")
        form.choice("patches_field", "Label field", "The objects that have the scores", list(fields))
        scores = fields.get(_forms.key(ctx, "patches_field"), next(iter(fields.values())))
        form.choice("score_field", "Score attribute", "The attribute to remove", scores)
        form.confirm("This removes the scores from all objects")
        return form

    def run(self, ctx, form):
        options = form.options()
        field = options.pop("patches_field")
        count = simfind.clear_scores(ctx.dataset, field, **options)
        text = f"The scores of {_forms.plural(count, 'object')} in “{field}” are removed"
        _forms.tell(ctx, text, reload=True)
        return {"summary": text, "objects": count}

    def __call__(self, sample_collection, patches_field, score_field, delegate=False):
        """Remove scores from a script, which confirms by calling it."""
        options = dict(patches_field=patches_field, score_field=score_field, confirm=True)
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        return summary(results, "Scores cleared")


def score_fields(ctx):
    """The attributes that searches wrote, by label field."""
    found = {}
    for field in _forms.detection_fields(ctx):
        numbers = _forms.attributes(ctx, field, fo.FloatField)
        infos = {name: ctx.dataset.get_field(f"{field}.detections.{name}").info or {} for name in numbers}
        ours = [name for name in numbers if "scores" in (infos[name].get("simfind") or {})]
        if ours:
            found[field] = ours
    return found
