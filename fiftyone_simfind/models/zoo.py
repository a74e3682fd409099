"""Models of FiftyOne's zoo as embedders of crops."""

from __future__ import annotations

import copy
import queue
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models import engines
from fiftyone_simfind.models.crops import Crop, CropEmbedder
from fiftyone_simfind.models.engines.base import MAX_STREAMS, cores

PROBE = 64  # side of the picture on which the length of a vector is looked at, in pixels


class ZooModel:
    """A FiftyOne model that gives embeddings, with its own transforms. Safe to share between threads.

    Args:
        model: ``fiftyone.core.models.Model`` with embeddings

    Attributes:
        takes_prompts: whether it gives vectors for words, too
    """

    fill = (128, 128, 128)

    def __init__(self, model: Any):
        self.takes_prompts = bool(getattr(model, "can_embed_prompts", False))
        # It keeps what its network said last, so that two threads cannot share it.
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()
        for one in [model, *_replicas(model)]:
            self._idle.put(one)
        self.streams = self._idle.qsize()
        self.dim = self([np.zeros((PROBE, PROBE, 3), np.uint8)]).shape[1]

    def __call__(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """``(n, dim)`` features of ``n`` crops, each ``(h, w, 3)`` uint8 RGB; maps are flattened, as FiftyOne does."""
        pictures = [np.ascontiguousarray(crop) for crop in crops]
        model = self._idle.get()
        try:
            with model:
                return _ragged(model, pictures) if model.ragged_batches else _rows(model.embed_all(pictures))
        finally:
            self._idle.put(model)


def _replicas(model: Any) -> list[Any]:
    """Copies of a model for further threads, with its weights in common; none where it runs on a GPU or has no copy."""
    networks = [value for value in vars(model).values() if isinstance(value, torch.nn.Module)]
    weights = list(chain.from_iterable(chain(network.parameters(), network.buffers()) for network in networks))
    if not weights or any(tensor.device.type != "cpu" for tensor in weights):
        return []
    try:
        wanted = min(cores(), MAX_STREAMS) - 1
        return [copy.deepcopy(model, {id(tensor): tensor for tensor in weights}) for _ in range(wanted)]
    except Exception:  # whatever a model of anybody's has in it that cannot be copied
        return []


def _rows(features: Any) -> NDArray[np.float32]:
    """Features as FiftyOne gives them, ``(n, ...)`` and often float64, as ``(n, dim)``."""
    found = np.asarray(features, dtype=np.float32)
    return found.reshape(len(found), -1)


def _ragged(model: Any, pictures: list[Crop]) -> NDArray[np.float32]:
    """Features by a model whose transforms leave pictures of many sizes: those of one size share a pass."""
    if model.transforms is None or getattr(model.config, "raw_inputs", None):
        return np.concatenate([_rows([model.embed(picture)]) for picture in pictures])
    ready = [model.transforms(picture) for picture in pictures]
    shapes: dict[tuple[int, ...], list[int]] = {}
    for row, tensor in enumerate(ready):
        shapes.setdefault(tuple(tensor.shape), []).append(row)
    found: dict[int, NDArray[np.float32]] = {}
    model.preprocess = False
    try:
        for rows in shapes.values():
            found.update(zip(rows, _rows(model.embed_all(torch.stack([ready[row] for row in rows]))), strict=True))
    finally:
        model.preprocess = True
    return np.stack([found[row] for row in range(len(pictures))])


def load(name: str, device: str | None = None, engine: str = "torch") -> CropEmbedder:
    """A model of FiftyOne's zoo, by name, as an embedder of crops; it is downloaded where it is not there yet.

    FiftyOne runs it itself, so that there is no engine but torch.

    Raises:
        ModelError: there is no such model, it cannot be loaded, gives no embeddings, or is to run on another engine
    """
    engines.check(engine)
    if engine not in ("auto", "torch"):
        raise ModelError(f'FiftyOne runs its zoo\'s "{name}" itself, not by engine="{engine}"; give engine="torch"')
    import fiftyone.zoo as foz

    if name not in (known := foz.list_zoo_models()):
        some = ", ".join(sorted(model for model in known if "clip" in model or "dino" in model))
        raise ModelError(
            f'"{name}" is no model of FiftyOne\'s zoo; it has {some}, ...: see fiftyone.zoo.list_zoo_models()'
        )
    options = {} if device is None else {"device": device}
    try:
        model = foz.load_zoo_model(name, cache=False, **options)
    except Exception as error:  # whatever its download, its packages or its own code raised
        raise ModelError(f'cannot load FiftyOne\'s "{name}": {type(error).__name__}: {error}') from None
    if not getattr(model, "has_embeddings", False):
        raise ModelError(f'FiftyOne\'s "{name}" gives no embeddings; give one tagged "embeddings" in the zoo')
    return CropEmbedder(ZooModel(model), f"zoo:{name}")
