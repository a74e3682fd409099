"""Models of FiftyOne's zoo as embedders of crops."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models.crops import Crop, CropEmbedder

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
        self._model = model
        self._lock = threading.Lock()
        self.takes_prompts = bool(getattr(model, "can_embed_prompts", False))
        self.dim = self([np.zeros((PROBE, PROBE, 3), np.uint8)]).shape[1]

    def __call__(self, crops: Sequence[Crop]) -> NDArray[np.float32]:
        """``(n, dim)`` features of ``n`` crops, each ``(h, w, 3)`` uint8 RGB; maps are flattened, as FiftyOne does."""
        pictures = [np.ascontiguousarray(crop) for crop in crops]
        with self._lock, self._model:
            if self._model.ragged_batches:  # its transforms leave pictures of many sizes, which cannot be stacked
                rows = [np.asarray(self._model.embed(picture)) for picture in pictures]
            else:
                rows = list(np.asarray(self._model.embed_all(pictures)))
        return np.stack([row.ravel() for row in rows]).astype(np.float32)


def load(name: str, device: str | None = None) -> CropEmbedder:
    """A model of FiftyOne's zoo, by name, as an embedder of crops; it is downloaded where it is not there yet.

    Raises:
        ModelError: there is no such model, it cannot be loaded, or it gives no embeddings
    """
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
