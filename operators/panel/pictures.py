"""Pictures of objects, for the panel's parts in the browser."""

from __future__ import annotations

from typing import Any

import fiftyone.operators as foo
import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from .. import _forms
from . import _photos

MOST = 250  # pictures at a time


class ObjectPictures(foo.Operator):
    """The crops of some objects as JPEG; the browser asks for them beside the panel's own events."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="object_pictures",
            label="Simfind: pictures of objects",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def execute(self, ctx: Any) -> dict[str, Any]:
        if photo := ctx.params.get("photo"):
            return _photos.shown(ctx, photo)
        field = _forms.object_indexes(ctx).get(ctx.params.get("brain_key"))
        given = [str(label_id) for label_id in ctx.params.get("ids") or []][:MOST]
        outside = _photos.crops(ctx, [name for name in given if name.startswith("photo:")])
        ids = [label_id for label_id in given if not label_id.startswith("photo:")]
        if field is None or not ids:
            return {"pictures": outside}
        found = simfind.thumbnails(ctx.dataset, ids, patches_field=field)
        return {"pictures": {**outside, **{label_id: _photos.data_url(jpeg) for label_id, jpeg in found.items()}}}
