"""Photos from outside: kept beside the dataset for as long as somebody searches with them, and never in it."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from io import BytesIO
from typing import Any

from PIL import Image

import fiftyone_simfind as simfind

from .. import _forms

STORE = "simfind"
SECONDS = 3600  # that a photo is kept
SHOWN = 1024  # pixels of its longest side, as the browser shows it
KEY = re.compile(r"photo:[0-9a-f]{32}")
GONE = "This photo is no longer kept. Give it again"
OTHER_INDEX = "The index was made anew since this photo was looked at. Give the photo again"


def decoded(content: Any, max_bytes: int) -> bytes:
    """The file that a data URL holds, if it is not larger than allowed.

    Raises:
        ImageError: it is larger, or no data URL
    """
    if not isinstance(content, str) or not content:
        raise simfind.ImageError("no photo arrived; give a JPEG, PNG, WebP, BMP, GIF or TIFF")
    if problem := too_large(content, max_bytes):
        raise simfind.ImageError(problem)
    try:
        return base64.b64decode(_packed(content), validate=True)
    except (binascii.Error, ValueError):
        raise simfind.ImageError("the photo did not arrive whole; give it again") from None


def too_large(content: str, max_bytes: int) -> str | None:
    """What to say of a data URL whose file is larger than allowed; None where it is not."""
    if len(_packed(content)) * 3 // 4 <= max_bytes + 2:  # at most two are padding
        return None
    return f"the photo has more than {max_bytes / 2**20:,.4g} MB, which is the most that is allowed"


def _packed(content: str) -> str:
    return content.partition(",")[2] if content.startswith("data:") else content


def data_url(jpeg: bytes) -> str:
    """A JPEG for an ``img`` element."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def keep(ctx: Any, brain_key: str, pixels: Any, candidates: list[simfind.Candidate]) -> str:
    """Keep what can be searched for in a photo, and a smaller picture of it; gives the key to both."""
    picture, file = Image.fromarray(pixels), BytesIO()
    picture.thumbnail((SHOWN, SHOWN))
    picture.save(file, "JPEG", quality=88)
    photo = {
        "brain_key": brain_key,
        "made_by": _made_by(ctx, brain_key),
        "image": data_url(file.getvalue()),
        "candidates": [candidate.to_dict() for candidate in candidates],
    }
    key = f"photo:{uuid.uuid4().hex}"
    ctx.store(STORE).set_cache(key, photo, ttl=SECONDS)
    return key


def kept(ctx: Any, key: Any) -> dict[str, Any] | None:
    """What is kept of a photo, if it still is."""
    if not isinstance(key, str) or not KEY.fullmatch(key):
        return None
    return ctx.store(STORE).get(key)


def shown(ctx: Any, key: Any) -> dict[str, Any]:
    """A photo and its objects for the browser; what is searched for stays on the server."""
    photo = kept(ctx, key)
    if photo is None:
        return {"photo": key, "gone": True}
    objects = [{name: found[name] for name in ("label", "confidence", "bounding_box")} for found in photo["candidates"]]
    return {"photo": key, "image": photo["image"], "objects": objects}


def candidate(ctx: Any, key: Any, number: Any) -> simfind.Candidate:
    """One of the things that can be searched for in a photo; the last is the whole photo.

    Raises:
        QueryError: the photo is no longer kept, has no such thing, or was looked at for an index that has changed
    """
    photo = kept(ctx, key)
    if photo is None:
        raise simfind.QueryError(GONE)
    if photo["made_by"] != _made_by(ctx, photo["brain_key"]):
        raise simfind.QueryError(OTHER_INDEX)
    found = photo["candidates"]
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(found):
        raise simfind.QueryError(f"the photo has no object {number!r}; click one of its boxes")
    return simfind.Candidate.from_dict(found[number])


def crops(ctx: Any, names: list[str]) -> dict[str, str]:
    """Pictures of objects of photos, by names that :func:`name_of` gave; of those that are still kept."""
    found = {}
    photos = {key: kept(ctx, key) for key in {name.partition("/")[0] for name in names}}
    for name in names:
        key, _, number = name.partition("/")
        photo = photos[key]
        if photo is not None and number.isdecimal() and int(number) < len(photo["candidates"]):
            picture = base64.b64decode(photo["image"].partition(",")[2])
            found[name] = data_url(simfind.crop(picture, photo["candidates"][int(number)]["bounding_box"]))
    return found


def name_of(query: dict[str, Any]) -> str:
    """What the browser calls the object of a photo that a query is for, among label ids."""
    return f"{query.get('photo')}/{query.get('candidate')}"


def _made_by(ctx: Any, brain_key: str) -> str:
    """What tells the vectors of an index from those that another model made, or that it held before."""
    if brain_key not in ctx.dataset.list_brain_runs():
        return ""
    run = ctx.dataset.get_brain_info(brain_key)
    field = ctx.dataset.get_field(_forms.vectors_path(ctx, brain_key))
    return f"{run.timestamp} {field.info if field is not None else None}"
