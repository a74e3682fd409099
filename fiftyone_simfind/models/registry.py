"""The embedder that a user means by ``model=``."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from fiftyone_simfind._types import Detector, Embedder
from fiftyone_simfind.errors import ModelError

_loading = threading.RLock()  # so that two requests at once do not load one model twice


def load_detector(model: Any, *, image_size: int = 640, device: str | None = None, engine: str = "torch") -> Detector:
    """The detector that a weights file, a name, a ``YOLO`` or a :class:`Detector` means.

    Raises:
        ModelError: it is nothing that finds objects
    """
    embedder = load_embedder(model, image_size=image_size, device=device, engine=engine)
    if not isinstance(embedder, Detector):
        raise ModelError(f"{embedder.name} gives vectors but finds no objects; give YOLO weights, or use simfind.embed")
    return embedder


def load_embedder(model: Any, *, image_size: int = 640, device: str | None = None, engine: str = "torch") -> Embedder:
    """The embedder that a file, a name, a ``YOLO`` or an :class:`Embedder` means.

    ===========================================  =====================================================================
    ``"yolo11n.pt"``, ``"/path/to/best.pt"``     YOLO detection, segment, pose or OBB weights: vectors of boxes
    ``"yolo11n-cls.pt"``                         YOLO classification weights: vectors of crops, as all that follow
    ``"mobilenet_v2"``, ``"resnet50"``, ...      torchvision's, with its own weights from torch's cache or its server
    ``"mobilenet_v2:/path/to/mobilenet_v2.pth"``  the same with a state dict of yours, of any number of classes
    ``"zoo:clip-vit-base32-torch"``              a model of FiftyOne's zoo that gives embeddings
    ===========================================  =====================================================================

    Models given by file or name are kept, so that the next call, from any thread, need not load them again; a file
    that has changed is.

    Args:
        model: one of the above, an ``ultralytics.YOLO``, or an object with a ``name`` and an ``embed()`` method
        image_size: longest side of an image in a YOLO network, in pixels; crops have the size their network wants
        device: torch device; default is the first GPU, or else the CPU
        engine: what runs the network: one of :data:`fiftyone_simfind.models.engines.NAMES`

    Raises:
        ModelError: it is none of these, or cannot be loaded
        OptionError: there is no such engine
        PackageError: its package is not installed
    """
    if isinstance(model, (str, os.PathLike)):
        with _loading:
            return _load_named(os.fspath(model), image_size, device, engine)
    if type(model).__module__.partition(".")[0] == "ultralytics":
        return _of_yolo(model, None, image_size, device, engine)
    if isinstance(model, Embedder):
        return model
    raise ModelError(
        f"model={model!r} is no model; give a YOLO weights file or name, an ultralytics.YOLO, or an object with a name "
        "and an embed() method"
    )


def _load_named(model: str, image_size: int, device: str | None, engine: str) -> Embedder:
    from fiftyone_simfind.models.classifiers import HEADS

    kind, colon, rest = model.partition(":")
    if colon and kind == "zoo":
        return _load_zoo(rest, device, engine)
    if kind in HEADS:
        return _load_torchvision(kind, rest, _changed(rest), device, engine)
    drive = len(kind) == 1  # of Windows
    if not os.path.exists(model) and ((colon and not drive) or model == Path(model).stem):
        raise ModelError(
            f'"{model}" is no model that is known; give YOLO weights such as "yolo11n.pt" or a path, one of '
            f'{", ".join(HEADS)}, or a model of FiftyOne\'s zoo as "zoo:clip-vit-base32-torch"'
        )
    return _load_yolo(model, _changed(model), image_size, device, engine)


def _changed(path: str) -> float | None:
    return os.path.getmtime(path) if os.path.isfile(path) else None


@lru_cache(maxsize=4)
def _load_yolo(path: str, changed: float | None, image_size: int, device: str | None, engine: str) -> Embedder:
    from fiftyone_simfind.models import weights

    return _of_yolo(*weights.load(path), image_size, device, engine)


def _of_yolo(yolo: Any, name: str | None, image_size: int, device: str | None, engine: str) -> Embedder:
    """What a loaded YOLO gives: vectors of boxes in one pass, or of crops when it is a classifier."""
    from fiftyone_simfind.models import classifiers, weights
    from fiftyone_simfind.models.yolo import YoloEmbedder

    if getattr(yolo, "task", None) == "classify":
        return classifiers.of_yolo(yolo, name or f"{type(yolo).__name__} {weights.digest(yolo)}", device, engine)
    return YoloEmbedder(yolo, name=name, image_size=image_size, device=device, engine=engine)


@lru_cache(maxsize=2)
def _load_torchvision(name: str, path: str, changed: float | None, device: str | None, engine: str) -> Embedder:
    from fiftyone_simfind.models import classifiers

    return classifiers.load(name, path, device, engine)


@lru_cache(maxsize=2)
def _load_zoo(name: str, device: str | None, engine: str) -> Embedder:
    from fiftyone_simfind.models import zoo

    return zoo.load(name, device, engine)
