"""Images from outside, which nobody has looked at yet: a decoder sees them only once their size and kind are known."""

from __future__ import annotations

import os
import re
import stat
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from fiftyone_simfind.errors import ImageError

MAX_BYTES = 20 * 2**20
MAX_PIXELS = 50_000_000
# What opens each kind of file, by how it begins. Not PIL's own open: once ultralytics is imported, that one installs a
# package for whatever it does not know.
OPENERS = {
    b"\xff\xd8\xff": JpegImagePlugin.jpeg_factory,
    b"\x89PNG\r\n\x1a\n": PngImagePlugin.PngImageFile,
    b"RIFF": WebPImagePlugin.WebPImageFile,
    b"BM": BmpImagePlugin.BmpImageFile,
    b"GIF8": GifImagePlugin.GifImageFile,
    b"II*\0": TiffImagePlugin.TiffImageFile,
    b"MM\0*": TiffImagePlugin.TiffImageFile,
}
CURE = "give a JPEG, PNG, WebP, BMP, GIF or TIFF"

MAX_SCANS = 64  # of a JPEG, each of which goes through all pixels; encoders make about ten
MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)  # of a JPEG, but for those inside of a scan
HEAD = 1024  # bytes that are looked at to say what a file is that is no such image
DEEP = ("I;16", "I;16B", "I;16L", "I;16N")  # PIL's modes of 16 bits
PLAIN = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")


def read_image(source: Any, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """A photo from anywhere as it looks in a viewer, read in a way that a hostile file cannot make use of.

    Its kind and its size in pixels are told from its first bytes, and only what is small enough is decoded, by no
    decoder but those of six common kinds. Of an animation it is the first picture. EXIF orientation is applied, as
    viewers do, and the pixels are those that a model sees when it is given the file::

        pixels = simfind.read_image("photo.jpg")  # (h, w, 3) uint8, RGB

    Args:
        source: path of an image file, or its content as bytes; or a PIL image, or an ``(h, w, 3)`` uint8 RGB array
        max_bytes: refuse larger files
        max_pixels: refuse larger images, before they are decoded

    Returns:
        ``(h, w, 3)`` uint8, RGB

    Raises:
        ImageError: it is no image that can be used; the message says why, and may be shown to whoever sent it
    """
    if isinstance(source, np.ndarray):
        return _checked(source, max_pixels)
    if isinstance(source, Image.Image):
        picture, name = source, "the image"
    else:
        content, name = read_content(source, max_bytes)
        picture = open_image(content, name)
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(
            f"{name} has {width:,} x {height:,} pixels, and {max_pixels:,} are allowed; make it smaller first"
        )
    return np.array(_decoded(picture, name))


def as_rgb(picture: Image.Image) -> Image.Image:
    """A picture as viewers show it: upright by its EXIF orientation, with 8 bits of RGB.

    Raises:
        ValueError: its numbers are no brightnesses
        OSError: it ends too early, or is broken
    """
    upright = ImageOps.exif_transpose(picture)
    if upright.mode in DEEP:
        return Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8)).convert("RGB")
    if upright.mode not in PLAIN:
        raise ValueError(f"its pixels are of the kind {upright.mode}")
    return upright.convert("RGB")


def read_content(source: Any, max_bytes: int) -> tuple[bytes, str]:
    """The bytes of a file, no more than allowed, and what to call it.

    Raises:
        ImageError: there is none, or it is empty or too large
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        content, name = bytes(source), "the image"
    elif isinstance(source, (str, os.PathLike)):
        content, name = _read(source, max_bytes), f'"{os.fspath(source)}"'
    else:
        raise ImageError(
            f"a {type(source).__name__} is no image; give the path or the bytes of an image file, a PIL image or an "
            "(h, w, 3) uint8 RGB array"
        )
    if len(content) > max_bytes:
        raise ImageError(f"{name} has more than {max_bytes / 2**20:,.4g} MB, which is the most that is allowed")
    if not content:
        raise ImageError(f"{name} is empty; {CURE}")
    return content, name


def _read(source: Any, max_bytes: int) -> bytes:
    """What a regular file holds, and not a byte more than it takes to know that this is too much."""
    name = os.fspath(source)
    if isinstance(name, str) and name.lower().startswith(("http://", "https://")):
        raise ImageError(f'"{name}" is an address; give simfind.fetch_image(url)')
    path = Path(os.fsdecode(name)).expanduser()
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):  # others may have no end, or keep whoever opens them waiting
            raise ImageError(f'"{path}" is a {"folder" if stat.S_ISDIR(kind) else "device"}, and no image file')
        with open(path, "rb") as file:
            return file.read(max_bytes + 1)
    except FileNotFoundError:
        raise ImageError(f'there is no file "{path}"') from None
    except (OSError, ValueError) as error:  # ValueError: its name holds a zero
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"{str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def open_image(content: bytes, name: str) -> Image.Image:
    """The picture in a file of which the head is read, and nothing else yet.

    Raises:
        ImageError: it is of no kind that is read, or its head is broken
    """
    opener = next((opener for start, opener in OPENERS.items() if content.startswith(start)), None)
    if opener is None or (content.startswith(b"RIFF") and content[8:12] != b"WEBP"):
        raise ImageError(f"{name} is {_what(content)}; {CURE}")
    if opener is JpegImagePlugin.jpeg_factory and _has_many_scans(content):
        raise ImageError(f"{name} would take very long to decode; save it anew, or {CURE}")
    try:
        return opener(BytesIO(content))
    except Exception as error:  # a decoder may raise anything on what was made to break it
        raise ImageError(f"{name} is broken: {_reason(error)}; {CURE}") from None


def _has_many_scans(content: bytes) -> bool:
    """Whether a JPEG goes through its pixels, or through lists of facts, far more often than any encoder would."""
    place, scans, segments = 2, 0, 0
    while scans <= MAX_SCANS and segments <= 100 * MAX_SCANS:
        found = MARKER.search(content, place)
        if found is None or found[1] == b"\xd9":
            return False
        segments += 1
        scans += found[1] == b"\xda"
        place = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return True


def _decoded(picture: Image.Image, name: str) -> Image.Image:
    try:
        return as_rgb(picture)
    except Exception as error:  # as above
        raise ImageError(f"{name} is cut off or broken: {_reason(error)}; {CURE}") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _what(content: bytes) -> str:
    """What a file is that is no image of a kind that is read."""
    head = content[:HEAD].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        return "an SVG drawing, which can hold code"
    if head.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if content[4:8] == b"ftyp":
        return "a HEIC or AVIF image, or a video"
    starts = {b"%pdf": "a PDF", b"pk\x03\x04": "a ZIP archive", b"%!ps": "a PostScript file", b"<": "a text file"}
    known = next((what for start, what in starts.items() if head.startswith(start)), None)
    if known is None and all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        known = "a text file"
    return known or "no image of a kind that can be read"


def _checked(array: NDArray, max_pixels: int) -> NDArray[np.uint8]:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise ImageError(
            f"an array of shape {array.shape} and type {array.dtype} is no image; give (h, w, 3) uint8, in RGB order"
        )
    if array.shape[0] * array.shape[1] > max_pixels:
        raise ImageError(f"the image has {array.shape[1]:,} x {array.shape[0]:,} pixels; {max_pixels:,} are allowed")
    return np.ascontiguousarray(array)
