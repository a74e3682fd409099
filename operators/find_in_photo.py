"""Find the objects of a photo that a form was given."""

import fiftyone.operators.types as types

import fiftyone_simfind as simfind

from . import _forms, _settings, _uploads, _weights
from ._operator import Operator
from .panel import _photos


class FindInPhoto(Operator):
    """For the form of ``search_by_photo``: looks at the photo while the form waits."""

    @property
    def config(self):
        return self.settings(
            name="find_in_photo",
            label="Simfind: find objects in a photo",
            description="Find the objects of a photo with the index's own model, for the form of “search by photo”",
            unlisted=True,
            risk_level=types.RiskLevel.LOW,
        )

    def form(self, ctx):
        form = _forms.Form(ctx, "Find objects in a photo", simfind.detect_query)
        form.text("upload", "Photo", "Digest of what was uploaded", required=True)
        form.choice("brain_key", "Index", "Whose model looks at it", list(_forms.object_indexes(ctx)), required=True)
        return form

    def run(self, ctx, form):
        content = _uploads.recall(form.value("upload"))
        if content is None:
            raise simfind.ImageError(_photos.GONE)
        brain_key = form.value("brain_key")
        pixels, found = look_at(ctx, brain_key, content=content)
        return {"photo": _photos.keep(ctx, brain_key, pixels, found), "count": len(found) - 1}

    def failed(self, ctx, text):
        """The form says what is wrong."""
        return {"error": text}


def look_at(ctx, brain_key, *, content=None, url=None):
    """The pixels of a photo, and what can be searched for in it."""
    settings = _settings.load()
    if content is not None:
        file = _photos.decoded(content, settings.max_bytes)
    else:
        file = simfind.fetch_image(url.strip(), max_bytes=settings.max_bytes, allowed_hosts=settings.url_hosts)
    pixels = simfind.read_image(file, max_bytes=settings.max_bytes, max_pixels=int(settings.max_pixels))
    return pixels, _weights.candidates(ctx, brain_key, _forms.vectors_path(ctx, brain_key), pixels)
