"""A network as a plain function of pixels, which other libraries can take over, and the way back from its outputs.

The head's outputs are taken before they are decoded: coordinates of hundreds of pixels would suffer from half
precision, the distances they are made of do not.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray

from fiftyone_simfind.models import maps
from fiftyone_simfind.models.engines.base import Pixels, Source
from fiftyone_simfind.models.engines.network import share_weights

FORM = 1  # of what is exported: counts up when that changes
PROBE = 64  # side of the images that a network is traced with, in pixels
FEATS = "feats"  # ultralytics' name of the maps that enter the head


class Plain(torch.nn.Module):
    """``(b, h, w, 3)`` uint8 BGR images to a tuple of tensors, whose ``names`` tell what they are."""

    def __init__(self, source: Source):
        super().__init__()
        self.network = share_weights(source.network).float().cpu()
        self.layers, self._seen = source.layers, maps.Seen()
        maps.tap(self.network, list(source.layers), self._seen)
        with torch.inference_mode():
            self.names = list(self._run(probe()))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """All outputs, in the order of ``names``."""
        return tuple(self._run(pixels).values())

    def _run(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        self.network.model[-1].training = True  # the head alone: it then gives what it would decode
        raw = self.network(pixels.permute(0, 3, 1, 2)[:, [2, 1, 0]].float() / 255)
        return {**flatten(raw), **{f"{layer}": self._seen.layers[layer] for layer in self.layers}}


class Decoder:
    """From the outputs of a :class:`Plain` network back to what ultralytics' predictors make results of.

    Safe to share between threads.
    """

    def __init__(self, source: Source, names: Sequence[str]):
        self._head = copy.copy(share_weights(source.network).model[-1].float().cpu())
        self._names, self._layers = list(names), [f"{layer}" for layer in source.layers]
        self._heads = threading.local()

    def __call__(self, pixels: Pixels, outputs: Sequence[NDArray]) -> tuple[Any, maps.Seen]:
        """What the network said of ``(b, h, w, 3)`` images, as :class:`Engine` describes it."""
        found = {name: torch.from_numpy(output) for name, output in zip(self._names, outputs, strict=True)}
        layers = {int(name): found.pop(name) for name in self._layers}
        with torch.inference_mode():
            raw = self._nest(found, pixels.shape)
            preds = self._decode(raw, pixels.shape[1:3])
        return preds, maps.Seen(torch.from_numpy(pixels), layers, maps.scores((None, raw)))

    def _nest(self, found: dict[str, torch.Tensor], shape: Sequence[int]) -> dict[str, Any]:
        """The head's dictionary, as it was before :func:`flatten`."""
        strides = [int(stride) for stride in self._head.stride]
        feats = [torch.empty(()).expand(shape[0], 1, shape[1] // s, shape[2] // s) for s in strides]
        branches = {name.rpartition("/")[0] for name in found}
        raw: dict[str, Any] = {} if branches == {""} else {"one2many": {}, "one2one": {}}
        for branch in branches:
            (raw[branch] if branch else raw)[FEATS] = feats
        for name, tensor in found.items():
            branch, _, key = name.rpartition("/")
            (raw[branch] if branch else raw)[key] = tensor
        return raw

    def _decode(self, raw: dict[str, Any], shape: tuple[int, ...]) -> Any:
        """As the head's ``forward`` does it."""
        head = self._heads.__dict__.setdefault(shape, copy.copy(self._head))  # it keeps the anchors of one shape
        head.training = False
        of_branch = raw["one2one" if head.end2end else "one2many"] if "one2one" in raw else raw
        found = head._inference(of_branch)
        if head.end2end:
            found = head.postprocess(found.permute(0, 2, 1))
        return ((found, of_branch["proto"]), raw) if "proto" in of_branch else (found, raw)


def flatten(raw: dict[str, Any], branch: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a head's nested dictionary, without the maps that entered it."""
    found: dict[str, torch.Tensor] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            found.update(flatten(value, f"{branch}{key}/"))
        elif key != FEATS:
            found[branch + key] = value
    return found


def probe() -> torch.Tensor:
    """Images to trace a network with: two, and not square, so that no side is taken for another."""
    return torch.zeros(2, PROBE, 2 * PROBE, 3, dtype=torch.uint8)


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
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def as_arrays(outputs: Sequence[Any]) -> list[NDArray]:
    """Outputs as float arrays that torch takes as they are."""
    return [np.asarray(output, dtype=np.float32) for output in outputs]
