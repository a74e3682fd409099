"""Small pictures of objects, as JPEG."""

from __future__ import annotations

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from fiftyone_simfind import _fields, _photos
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import boxes as bx

GREY = (128, 128, 128)
SMALLEST, LARGEST = 8, 1024  # pixels
QUALITY = 85
READERS = 4
MAX_CACHED = 5000  # of 96 pixels they take about 15 MB
MAX_BYTES, MAX_PIXELS = 2**29, 180_000_000  # of the dataset's own images

Key = tuple  # the file, when it was changed, the box and the size

_cache: OrderedDict[Key, bytes] = OrderedDict()
_lock = threading.Lock()


def thumbnails(samples: Any, label_ids: Sequence[str], *, patches_field: str, size: int = 96) -> dict[str, bytes]:
    """A small picture of each of some objects, with a little of what is around it.

    They are kept in memory until the image file or the box changes. An object whose image cannot be read, or that is
    not there, gets a grey square.

    Args:
        samples: dataset or view that has the objects
        label_ids: ids of the objects
        patches_field: the field that they lie in
        size: longest side, in pixels, from 8 to 1,024

    Returns:
        JPEG files by label id, in the order of the ids

    Raises:
        FieldError: there is no such field
        OptionError: the size is out of range
    """
    _check(size)
    path = _fields.objects_path(samples, patches_field)
    wanted = list(dict.fromkeys(label_ids))
    keys = {i: _key(*place, size) for i, place in _fields.find_places(samples, path, wanted).items()}
    asked = {key for key in keys.values() if key is not None}
    with _lock:
        made = {key: _cache[key] for key in asked if key in _cache}
    made |= _make(asked - set(made), size)
    _keep(made)
    return {i: made.get(keys.get(i) or (), _placeholder(size)) for i in wanted}


def crop(image: Any, box: Sequence[float], size: int = 96) -> bytes:
    """A small picture of a place in an image, with a little of what is around it.

    Args:
        image: as in :func:`read_image`
        box: relative ``[x, y, width, height]``, top-left origin
        size: longest side, in pixels, from 8 to 1,024

    Returns:
        a JPEG file

    Raises:
        ImageError: the image cannot be used
        OptionError: the box is none, or the size is out of range
    """
    _check(size)
    numbers = isinstance(box, (Sequence, np.ndarray)) and all(isinstance(x, (int, float, np.number)) for x in box)
    corners = np.asarray(box if numbers else (), dtype=float)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise OptionError(f"box={box!r} must be four numbers: relative [x, y, width, height]")
    return _tile(Image.fromarray(_photos.read_image(image)), corners.tolist(), size)


def _check(size: int) -> None:
    if not isinstance(size, int) or not SMALLEST <= size <= LARGEST:
        raise OptionError(f"size={size!r} must be a whole number from {SMALLEST} to {LARGEST:,}")


def _key(filepath: str, box: list[float] | None, size: int) -> Key | None:
    try:
        facts = os.stat(filepath)
    except (OSError, ValueError):
        return None
    return None if box is None else (filepath, facts.st_mtime_ns, facts.st_size, tuple(box), size)


def _make(keys: Iterable[Key], size: int) -> dict[Key, bytes]:
    """The pictures of some objects, each image read once; without those of images that cannot be read."""
    by_file: dict[str, list[Key]] = {}
    for key in keys:
        by_file.setdefault(key[0], []).append(key)
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda file: _crops(file, by_file[file], size), by_file)
        return {key: picture for some in found for key, picture in some.items()}


def _crops(filepath: str, keys: list[Key], size: int) -> dict[Key, bytes]:
    try:
        content, name = _photos.read_content(filepath, MAX_BYTES)
        picture = _photos.open_image(content, name)
        if picture.width * picture.height > MAX_PIXELS:
            return {}
        _reduce(picture, [key[3] for key in keys], size)
        upright = _photos.as_rgb(picture)
        return {key: _tile(upright, key[3], size) for key in keys}
    except Exception:  # a decoder may raise anything on a broken file
        return {}


def _reduce(picture: Image.Image, boxes: list[Sequence[float]], size: int) -> None:
    """Have a JPEG decoded no larger than it takes, which is several times as quick."""
    turned = picture.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    width, height = picture.size[::-1] if turned else picture.size
    smallest = min(max(box[2] * width, box[3] * height) for box in boxes)
    scale = min(size / max(smallest, 1.0), 1.0)
    picture.draft("RGB", (math.ceil(picture.width * scale), math.ceil(picture.height * scale)))


def _tile(picture: Image.Image, box: Sequence[float], size: int) -> bytes:
    part = picture.crop(bx.around(box, picture.size))
    scale = size / max(part.size)
    width, height = (max(1, round(side * scale)) for side in part.size)
    return _jpeg(part.resize((width, height), Image.Resampling.BICUBIC))


def _jpeg(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


@lru_cache(maxsize=8)
def _placeholder(size: int) -> bytes:
    return _jpeg(Image.new("RGB", (size, size), GREY))


def _keep(made: dict[Key, bytes]) -> None:
    """Put pictures at the young end of the cache, and let the oldest go."""
    with _lock:
        for key, picture in made.items():
            _cache[key] = picture
            _cache.move_to_end(key)
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
