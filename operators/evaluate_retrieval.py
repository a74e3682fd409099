"""Measure how good the search is."""

import fiftyone as fo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _jobs, _reports
from ._operator import Operator, call

MEASURES = {"P": "Precision", "recall": "Recall", "mAP": "mAP", "CMC": "Found one (CMC)"}
LABELS = (fo.StringField, fo.IntField, fo.BooleanField)


class EvaluateRetrieval(Operator):
    """A form for :func:`fiftyone_simfind.evaluate`."""

    @property
    def config(self):
        return self.settings(
            name="evaluate_retrieval",
            label="Simfind: evaluate retrieval",
            description="Measure how often a search for an object finds objects of its own class: precision, recall "
            "and mAP, and which classes are taken for which. The report is shown in the panel “Object search”",
            icon="insights",
            execute_as_generator=True,
            allow_delegated_execution=True,
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Evaluate retrieval", simfind.evaluate)
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        ctx.target_view()
        form.choice("brain_key", "Index", "The index to evaluate", list(indexes))
        field = indexes.get(_forms.key(ctx, "brain_key"), next(iter(indexes.values())))
        known = [name for name in _forms.attributes(ctx, field, LABELS) if name not in ("id", "index")]
        form.choice("label_attr", "Class", "The attribute of the objects that says what is alike", known)
        form.counts("k", "Ranks", "How many of the nearest objects to look at, as “1, 5, 10”", most=1000)
        form.number("map_k", "Rank of mAP", "Mean average precision is given at this rank as well", min=1, max=10000)
        form.switch("exclude_same_image", "Other images only", "Leave out objects in the query's own image")
        form.number("queries", "Queries", "Search for so many objects only; empty: all", min=1, max=10**7, whole=True)
        form.number("seed", "Seed", "Of the choice of queries", min=0, max=2**32 - 1)
        return form

    def run(self, ctx, form):
        return _jobs.run(
            ctx,
            "Evaluating",
            simfind.evaluate,
            ctx.target_view(),
            options=form.options(),
            describe=lambda report: _describe(ctx, report),
        )

    def __call__(self, sample_collection, delegate=False, **options):
        """Run on a dataset or view from a script, with the options of :func:`fiftyone_simfind.evaluate`."""
        return call(self, sample_collection, delegate, **options)

    def output(self, results):
        outputs = types.Object()
        outputs.str("summary", label="Summary")
        table = types.TableView()
        for name, label in {"k": "k", **MEASURES}.items():
            table.add_column(name, label=label)
        outputs.list("means", types.Object(), label="Means over the queries", view=table)
        return types.Property(outputs, view=types.View(label="Retrieval evaluated"))


def _describe(ctx, report):
    _reports.keep(ctx, report)
    means = report.means
    ks = sorted({*report.cutoffs.k, report.cutoffs.map_k})
    rows = [{"k": str(k), **{name: _number(means.get(f"{name}@{k}")) for name in MEASURES}} for k in ks]
    text = f"{_forms.plural(report.queries, 'query', 'queries')} by “{report.label_attr}”"
    first = min(report.cutoffs.k)
    return {"summary": f"{text}: precision@{first} is {means[f'P@{first}']:.3f}", "means": rows}


def _number(value):
    return "" if value is None else f"{value:.3f}"
