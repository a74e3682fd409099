"""What the user has selected in the App."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo

HOW_TO_SELECT = (
    "Select the objects to look for: tick patches in a patches view (the patches button above the grid), or "
    "open an image and click its objects. Several are searched for together; Alt-click marks objects that "
    "matches should not be like"
)


@dataclass
class Selection:
    """Selected objects.

    Attributes:
        ids: label ids to look for
        negatives: label ids that matches should not be like
        fields: the label fields that they lie in
        images: how many whole images are selected instead
    """

    ids: list[str] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    images: int = 0

    def describe(self) -> str:
        """The selection in words, empty when nothing is selected."""
        if not self.ids:
            return ""
        words = f"{len(self.ids)} selected object{'s' * (len(self.ids) > 1)} to look for"
        return words + (f", {len(self.negatives)} not to be like" if self.negatives else "")

    def index_among(self, indexes: dict[str, str]) -> str | None:
        """The index to search, of a field by index name: one of the selected objects' field."""
        fitting = [name for name, patches_field in indexes.items() if patches_field in self.fields]
        return next(iter(sorted(fitting or indexes, key=lambda name: name != "simfind")), None)

    def problem(self, indexes: dict[str, str], brain_key: str | None) -> str | None:
        """Why the selection cannot be searched for, and what to do; None when it can."""
        if not indexes:
            return "This dataset has no index of objects. Run “Simfind: build index” first"
        if not self.ids and self.negatives:
            return "All selected objects are marked as not wanted. Select one to look for, without Alt"
        if not self.ids and self.images:
            are = "images are" if self.images > 1 else "image is"
            return f"{self.images} whole {are} selected. {HOW_TO_SELECT}"
        if not self.ids:
            return HOW_TO_SELECT
        if len(self.fields) > 1:
            names = sorted(self.fields)
            return f"The selected objects lie in several fields, {names}. Select objects of one field"
        wanted = indexes.get(brain_key or "") or indexes[self.index_among(indexes) or ""]
        if wanted not in self.fields:
            (selected_field,) = self.fields
            return (
                f"The selected objects lie in “{selected_field}”, but the index covers “{wanted}”. Build an "
                f"index of “{selected_field}” with “Simfind: build index”, or select objects of “{wanted}”"
            )
        return None


def selection(ctx: Any) -> Selection:
    """The objects that are selected, as patches in the grid or as labels in a sample."""
    view = ctx.view
    is_patches = isinstance(view, fo.core.patches.PatchesView)
    if is_patches and ctx.selected:
        kinds = {item["id"]: item.get("type") for item in ctx.selected_samples or () if isinstance(item, dict)}
        return _split([(label_id, kinds.get(label_id)) for label_id in ctx.selected], {view.patches_field})
    if ctx.selected_labels:
        labels = [(label["label_id"], label.get("type")) for label in ctx.selected_labels]
        return _split(labels, {label["field"] for label in ctx.selected_labels})
    return Selection(images=len(ctx.selected))


def _split(selected: list[tuple[str, str | None]], fields: set[str]) -> Selection:
    negatives = [label_id for label_id, kind in selected if kind == "alt"]
    return Selection([label_id for label_id, kind in selected if kind != "alt"], negatives, fields)


def searched(ctx: Any) -> Any:
    """What a search looks through: the current view, without the stages that an earlier search put on it.

    So a match can be selected and searched for in turn, and filters stay as they are.
    """
    view = ctx.view
    if not isinstance(view, fo.core.patches.PatchesView):
        return view
    stages = [stage for stage in view._stages if not _is_result(stage)]
    images = _without_result(view)
    if images is None:
        base = view._base_view
    elif not stages:
        return images
    else:
        base = images.add_stage(view._patches_stage)
    for stage in stages:
        base = base.add_stage(stage)
    return base


def _is_result(stage: fo.ViewStage) -> bool:
    return isinstance(stage, fo.SortBySimilarity) or (isinstance(stage, fo.Select) and bool(stage.ordered))


def _without_result(view: Any) -> Any:
    """The images that a search looked through whose matches a view shows; None where it shows no such matches.

    Matches among images are shown as the patches of these matches alone: their images and labels are selected first.
    """
    found = {i for stage in view._stages if isinstance(stage, fo.Select) and stage.ordered for i in stage.sample_ids}
    images = view._source_collection
    stages = list(getattr(images, "_stages", ()))
    if not found or not stages or not isinstance(stages[-1], fo.SelectLabels) or set(stages[-1].ids or ()) != found:
        return None
    stages.pop()
    if stages and isinstance(stages[-1], fo.Select):
        stages.pop()
    whole = images._root_dataset.view()
    for stage in stages:
        whole = whole.add_stage(stage)
    return whole
