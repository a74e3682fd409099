"""Show the objects that look most like the selected ones."""

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms
from ._selection import searched, selection

SCOPES = {"all": "all classes", "same_class": "same class", "other_classes": "other classes"}


class SortBySimilarity(foo.Operator):
    """A form for :func:`fiftyone_simfind.sort_by_similarity`; its button searches at once."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="sort_by_similarity",
            label="Simfind: sort by similarity",
            description="Show the objects that look most like the selected ones, nearest first",
            icon="image_search",
            dynamic=True,
            risk_level=types.RiskLevel.LOW,
        )

    def resolve_placement(self, ctx):
        button = types.Button(label="Objects like the selected ones", icon="image_search", prompt=False)
        return types.Placement(types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, button)

    def resolve_input(self, ctx):
        form = _forms.Form(ctx, simfind.search, "Sort by similarity")
        indexes = _forms.object_indexes(ctx)
        if not indexes:
            return form.stop("This dataset has no index of objects. Run “Simfind: build index” first")
        chosen = selection(ctx)
        problem = chosen.problem(indexes, ctx.params.get("brain_key"))
        if problem:
            form.obstacle("selected", problem)
        else:
            form.notice("selected", chosen.describe())
        index = chosen.index_among(indexes)
        form.choice("brain_key", "Index", "The index to search", list(indexes), default=index)
        form.number("k", "Matches", "At most this many", min=1, max=10000)
        form.choice("scope", "Scope", "As the labels of the selected objects", list(SCOPES), labels=SCOPES)
        form.number("min_score", "Minimum score", "Leave out matches that score less", min=-1, max=1)
        form.switch("exclude_same_image", "Other images only", "Leave out objects in the selected objects' own images")
        form.switch("one_per_image", "One per image", "Give only the best match of each image")
        form.switch("include_query", "Include the selected", "Let the selected objects be among the matches")
        form.switch("reverse", "Least similar first", "Turn the order round")
        return form.done()

    def execute(self, ctx):
        indexes = _forms.object_indexes(ctx)
        chosen = selection(ctx)
        problem = chosen.problem(indexes, ctx.params.get("brain_key"))
        if problem:
            if ctx.params:
                raise ValueError(problem)
            ctx.prompt(self.uri)
            return
        options = {"brain_key": chosen.index_among(indexes), **_forms.options(ctx, simfind.search)}
        view = simfind.sort_by_similarity(searched(ctx), chosen.ids, negatives=chosen.negatives or None, **options)
        _show(ctx, view)

    def __call__(self, sample_collection, query, **options):
        """The patches view for a script, as :func:`fiftyone_simfind.sort_by_similarity` gives it."""
        return simfind.sort_by_similarity(sample_collection, query, **options)


class SimilarToLabel(SortBySimilarity):
    """The same, as a button beside an open sample, for the objects that were clicked in it."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="similar_to_label",
            label="Simfind: objects like the clicked ones",
            icon="image_search",
            dynamic=True,
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def resolve_placement(self, ctx):
        button = types.Button(label="Objects like the clicked ones", icon="image_search", prompt=False)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)


def _show(ctx, view):
    """Show the matches in the grid, and leave nothing selected, so that the next query does not mix in."""
    count = len(view)
    if not count:
        ctx.ops.notify("No object matches. Lower the minimum score or widen the scope", variant="warning")
        return
    ctx.ops.set_view(view=view)
    ctx.ops.clear_selected_samples()
    ctx.ops.clear_selected_labels()
    if ctx.current_sample:
        ctx.ops.close_sample()
    best = "least" if ctx.params.get("reverse") else "most"
    ctx.ops.notify(f"{count} objects, {best} similar first", variant="success")
