"""Where downloaded images are kept: files that are named after their addresses, each whole and the right one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from fiftyone_simfind import _photos
from fiftyone_simfind.errors import ImageError

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp", "GIF": ".gif", "TIFF": ".tif"}
UNFINISHED = re.compile(r"[0-9a-f]{24}\.\d+\.part")  # what is being written here, and nobody else's
STALE = 3600.0  # s after which what a killed download had begun is removed


class Shelf:
    """A folder of images; made if it is not there."""

    def __init__(self, folder: Path):
        self._folder = folder.resolve()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._there = {path.stem: path for path in self._folder.iterdir() if path.suffix in SUFFIXES.values()}
        for part in self._folder.glob("*.part"):
            if not UNFINISHED.fullmatch(part.name):
                continue
            with contextlib.suppress(FileNotFoundError):  # another process has finished it
                if time.time() - part.stat().st_mtime > STALE:
                    part.unlink()

    def find(self, url: str, sha256: str | None = None) -> Path | None:
        """The file that was there of an address, if it is the right one."""
        path = self._there.get(name_of(url))
        if path is None or sha256 is None:
            return path
        try:
            return path if digest(path.read_bytes()) == sha256 else None
        except OSError:
            return None

    def keep(self, url: str, sha256: str | None, content: bytes) -> Path:
        """Write what an address has given, if it is an image, and the right one.

        Raises:
            ImageError: it is not
        """
        found = digest(content)
        if sha256 not in (None, found):
            raise ImageError(f"its sha256 is {found}, and the manifest says {sha256}")
        _photos.read_image(content)
        kind = _photos.open_image(content, "the image").format
        path = self._folder / f"{name_of(url)}{SUFFIXES[kind or '']}"
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(content)
        os.replace(part, path)
        before = self._there.get(name_of(url), path)
        if before != path:  # it was the wrong one, of another kind
            before.unlink(missing_ok=True)
        return path


def name_of(url: str) -> str:
    """What the file of an address is called, without its suffix."""
    return digest(url.encode())[:24]


def digest(content: bytes) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
