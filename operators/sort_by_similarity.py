"""Show the objects that look most like the selected ones."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _noted
from ._operator import Operator, summary
from ._search_form import SearchForm, search_and_show
from ._selection import selection


class SortBySimilarity(Operator):
    """A form for :func:`fiftyone_simfind.sort_by_similarity`; its button searches at once."""

    is_seen = True

    @property
    def config(self):
        return self.settings(
            name="sort_by_similarity",
            label="Simfind: sort by similarity",
            description="Show the objects of the dataset that look most like the selected ones, nearest first, in the "
            "grid. Select patches, or objects in an opened image",
            icon="image_search",
            risk_level=types.RiskLevel.LOW,
        )

    def resolve_placement(self, ctx):
        button = types.Button(label="Objects like the selected ones", icon="image_search", prompt=False)
        return types.Placement(types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, button)

    def form(self, ctx):
        form = SearchForm(ctx, "Sort by similarity")
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop(_forms.NO_INDEX)
        chosen = selection(ctx)
        problem = chosen.problem(indexes, _forms.key(ctx, "brain_key"))
        if problem:
            form.obstacle("selected", problem)
        else:
            form.notice("selected", chosen.describe())
        form.ask(indexes, chosen.index_among(indexes))
        return form

    def run(self, ctx, form):
        chosen, indexes = selection(ctx), _forms.object_indexes(ctx)
        options = {"brain_key": chosen.index_among(indexes), **form.options()}
        shown = search_and_show(ctx, chosen.ids, {**options, "negatives": chosen.negatives or None})
        query = {"ids": chosen.ids, "negatives": chosen.negatives, "brain_key": options.pop("brain_key")}
        _noted.note(ctx, query, options)
        return shown

    def refused(self, ctx, text):
        """A button has no form in which to say what is wrong with the selection; the form that it opens does."""
        if ctx.params:
            return super().refused(ctx, text)
        ctx.prompt(self.uri)
        return {"error": text}

    def __call__(self, sample_collection, query, **options):
        """The patches view for a script, as :func:`fiftyone_simfind.sort_by_similarity` gives it."""
        return simfind.sort_by_similarity(sample_collection, query, **options)

    def output(self, results):
        return summary(results, "Objects found")


class SimilarToLabel(SortBySimilarity):
    """The same, as a button beside an open sample, for the objects that were clicked in it."""

    @property
    def config(self):
        return self.settings(
            name="similar_to_label",
            label="Simfind: objects like the clicked ones",
            description="The button beside an opened image: show the objects that look most like those clicked in it",
            icon="image_search",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def resolve_placement(self, ctx):
        button = types.Button(label="Objects like the clicked ones", icon="image_search", prompt=False)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)
