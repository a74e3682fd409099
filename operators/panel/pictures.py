"""Pictures of objects, for the panel's parts in the browser."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms
from .._operator import Operator
from . import _photos

MOST = 250  # pictures at a time


class ObjectPictures(Operator):
    """The crops of some objects as JPEG; the browser asks for them beside the panel's own events."""

    @property
    def config(self) -> foo.OperatorConfig:
        return self.settings(
            name="object_pictures",
            label="Simfind: pictures of objects",
            description="Give small pictures of objects of an index, or of the objects of a photo, for the panel",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx: Any) -> _forms.Form:
        form = _forms.Form(ctx, "Pictures of objects")
        form.inputs.str("photo", label="Photo", description="What the panel calls it; one that is not known is gone")
        form.text("brain_key", "Index", "The index of the objects")
        field = form.inputs.list("ids", types.String(), label="Objects", description="Their ids")
        ids = form.value("ids")
        if ids is not None and not (isinstance(ids, list) and all(isinstance(label_id, str) for label_id in ids)):
            form.refuse(field, f"ids must be a list of ids, and is {_forms.cut(ids)}")
        return form

    def run(self, ctx: Any, form: _forms.Form) -> dict[str, Any]:
        if photo := form.value("photo"):
            return _photos.shown(ctx, photo)
        field = _forms.object_indexes(ctx).get(form.value("brain_key"))
        given = (form.value("ids") or [])[:MOST]
        outside = _photos.crops(ctx, [name for name in given if name.startswith("photo:")])
        ids = [label_id for label_id in given if not label_id.startswith("photo:")]
        if field is None or not ids:
            return {"pictures": outside}
        found = simfind.thumbnails(ctx.dataset, ids, patches_field=field)
        return {"pictures": {**outside, **{label_id: _photos.data_url(jpeg) for label_id, jpeg in found.items()}}}
