"""A network as a plain function of pixels, which other libraries can take over, and the way back from its outputs."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models import heads, maps
from fiftyone_simfind.models.engines.base import Pixels, Source

FORM = 2  # of what is exported: counts up when that changes
IMAGES = 8  # of a call on a CPU
PROBE = 64  # side of the images that a network is traced with, in pixels


class Plain(torch.nn.Module):
    """``(b, 3, h, w)`` uint8 RGB images to a tuple of tensors, whose ``names`` tell what they are."""

    def __init__(self, source: Source):
        super().__init__()
        self.network = copy.deepcopy(source.network).float().cpu()
        self.layers, self._seen = source.layers, maps.Seen()
        maps.tap(self.network, source.layers, self._seen)
        self.strides = [int(stride) for stride in self.network.model[-1].stride]
        with torch.inference_mode():
            self.names = list(self._run(probe()))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All outputs, in the order of ``names``."""
        return tuple(self._run(pixels).values())

    def _run(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        heads.make_raw(self.network)  # exporters put all of it back into eval mode
        raw = self.network(pixels.float() * (1 / 255))
        if not isinstance(raw, dict):
            raise ModelError("its head decodes by itself")
        return {**heads.flatten(raw), **{f"{layer}": self._seen.layers[layer] for layer in self.layers}}

    def back(self, pixels: Pixels, outputs: Sequence[NDArray]) -> tuple[heads.Raw, maps.Seen]:
        """From outputs for ``(b, h, w, 3)`` images to what an :class:`Engine` gives."""
        found = {name: torch.from_numpy(output) for name, output in zip(self.names, outputs, strict=True)}
        layers = {layer: found.pop(f"{layer}") for layer in self.layers}
        raw = heads.nest(found, self.strides, pixels.shape)
        return raw, maps.Seen(torch.from_numpy(pixels), layers, maps.scores(raw))


def probe() -> torch.Tensor:
    """Images to trace a network with: two, and not square, so that no side is taken for another."""
    return torch.zeros(2, 3, PROBE, 2 * PROBE, dtype=torch.uint8)


def planar(pixels: Pixels) -> Pixels:
    """``(b, h, w, 3)`` BGR as ``(b, 3, h, w)`` RGB: to have the libraries do this takes a thirtieth of a pass."""
    planes = np.empty((len(pixels), 3, *pixels.shape[1:3]), np.uint8)
    for image, (red, green, blue) in zip(pixels, planes, strict=True):
        cv2.split(image, [blue, green, red])
    return planes


def cached(source: Source, package: str, suffix: str, export: Callable[[Path], None]) -> Path:
    """The file of an exported network; ``export`` makes it where it is not there yet.

    It is kept in the user's cache folder, under a hash of the weights, the image size and the versions of all that had
    a part in it.
    """
    parts = [source.key, FORM, *(version(name) for name in ("torch", "ultralytics", package)), *source.layers]
    digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    file = folder() / f"{digest}{suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{file}.lock"):
        if not file.is_file():
            made = file.with_name(f"{digest}.part{suffix}")
            with quiet():
                export(made)
            for part in made.parent.glob(f"{digest}.part.*"):  # of OpenVINO there are two, and the one asked for ...
                if part != made:
                    os.replace(part, part.with_name(part.name.replace(".part", "")))
            os.replace(made, file)  # ... comes last
    return file


def folder() -> Path:
    """Where exported networks are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fiftyone-simfind" / "engines"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the remarks of torch's tracer on what it follows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def image_by_image(run: Callable[[Pixels], Iterable[Sequence[Any]]], pixels: Pixels) -> list[NDArray[np.float32]]:
    """What passes of one image each put out, together: ``(b, c, ...)`` arrays that are nobody else's.

    A core is fastest with one image; what is made of the outputs is faster for some images at once, and with the
    channels side by side in memory: they are turned while they are copied.

    Args:
        run: gives of ``(1, 3, h, w)`` uint8 RGB each output, as one array ``(1, c, ...)`` or in pieces, of which the
            places follow each other
        pixels: ``(b, h, w, 3)`` uint8 BGR
    """
    together: list[NDArray[np.float32]] = []
    planes = planar(pixels)
    for number in range(len(planes)):
        outputs = list(run(planes[number : number + 1]))
        together = together or [_memory(len(planes), pieces) for pieces in outputs]
        for rows, pieces in zip(together, outputs, strict=True):
            _turn(pieces, rows[number])
    shapes = [(*pieces[0].shape[1:2], *(pieces[0].shape[2:] if len(pieces) == 1 else (-1,))) for pieces in outputs]
    return [rows.swapaxes(1, 2).reshape(len(rows), *shape) for rows, shape in zip(together, shapes, strict=True)]


def _memory(images: int, pieces: Sequence[Any]) -> NDArray[np.float32]:
    """Room for an output of some images, ``(b, places, c)``."""
    return np.empty((images, sum(piece[0, 0].size for piece in pieces), pieces[0].shape[1]), np.float32)


def _turn(pieces: Sequence[Any], rows: NDArray[np.float32]) -> None:
    """Write ``(1, c, ...)`` arrays, one after the other, as rows of channels: OpenCV does that fastest."""
    start = 0
    for piece in pieces:
        lines = piece.reshape(piece.shape[1], -1)
        cv2.transpose(lines, rows[start : start + lines.shape[1]])
        start += lines.shape[1]
