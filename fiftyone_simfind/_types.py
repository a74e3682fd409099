"""What the SDK passes around and returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

GIVEN_CORES = "SIMFIND_CORES"  # environment variable: how many cores a worker of a cluster was given


@dataclass(frozen=True)
class Objects:
    """The objects of one image, with row ``i`` of everything belonging to object ``i``.

    Attributes:
        boxes: ``(n, 4)`` float64, relative ``[x, y, width, height]``, top-left origin
        labels: ``n`` class names
        confidences: ``(n,)`` float64 in [0, 1]
        vectors: ``(n, d)`` float32 of length 1; a row of NaN means that the object has no vector
    """

    boxes: NDArray[np.float64]
    labels: list[str]
    confidences: NDArray[np.float64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.labels)


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns boxes of images into vectors.

    ``name`` tells one model's vectors from another's: it is stored with the vectors, and vectors of two names are
    never mixed in one field. An embedder may also have

    * ``parts``, a list of :class:`fiftyone_simfind.numerics.parts.Part`, which say what the numbers of its vectors are;
    * ``takes_masks = True`` if its ``embed`` takes ``masks=`` as well, as that of
      :class:`fiftyone_simfind.models.yolo.YoloEmbedder`;
    * ``prepare(image)``, which threads that read ahead call; what it returns is given to ``embed`` and ``detect`` in
      place of the image, together with others of the same ``shape``;
    * ``streams``, how many threads may call it at once, and ``batch_size``, images of a call, for most images a second.
    """

    name: str

    def embed(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.float32]]:
        """Vectors of the boxes of each image.

        Args:
            images: ``(h, w, 3)`` uint8 in OpenCV's BGR order
            boxes: per image ``(n, 4)`` relative ``[x, y, width, height]``

        Returns:
            per image ``(n, d)`` float32; a row of NaN where a box has no vector
        """
        ...


@runtime_checkable
class Detector(Embedder, Protocol):
    """An embedder that also finds the objects, in the same pass."""

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        confidence_thresh: float = 0.25,
        classes: Sequence[str] | None = None,
    ) -> list[Objects]:
        """The objects of each image, most confident first."""
        ...


@dataclass
class EmbedReport:
    """What a run of ``detect`` or ``embed`` did.

    Attributes:
        model: name of the model that made the vectors
        engine: what ran it, where there is a choice
        images: images processed in this run
        objects: objects that got a vector in this run
        already_done: images left alone because an earlier run of the same model had finished them
        without_vector: objects with no area inside their image, which have no vector
        failures: reason by filepath, for images that could not be read or processed
        seconds: wall time
    """

    model: str
    images: int = 0
    objects: int = 0
    already_done: int = 0
    without_vector: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    engine: str | None = None

    def __str__(self) -> str:
        model = f"{self.model} by {self.engine}" if self.engine else self.model
        parts = [f"{self.objects:,} objects in {self.images:,} images ({self.seconds:.1f} s, {model})"]
        if self.already_done:
            parts.append(f"{self.already_done:,} images were done before")
        if self.without_vector:
            parts.append(f"{self.without_vector:,} objects have no area inside their image, so no vector")
        if self.failures:
            path, reason = next(iter(self.failures.items()))
            parts.append(f"{len(self.failures):,} images failed, the first is {path}: {reason}")
        return "; ".join(parts)


@dataclass(frozen=True)
class IndexStatus:
    """How an index stands to its dataset.

    Attributes:
        brain_key: name of the index
        objects: how many the dataset has in the index's field
        indexed: how many the index has
        new: those without a vector that no model has looked at
        edited: those whose box is another one than their vector was made of
        removed: those that the index has, but the dataset no longer, or no longer with a vector
        other_model: those in the index whose vectors were made by another model than now fills the field
        not_indexed: those with a vector that the index does not have, or does not have as it is now
        without_vector: those that have none for good: no area inside their image, or numbers without a direction
        relabelled: those with another label than searches within classes go by
    """

    brain_key: str
    objects: int
    indexed: int
    new: int
    edited: int
    removed: int
    other_model: int
    not_indexed: int
    without_vector: int
    relabelled: int = 0

    @property
    def up_to_date(self) -> bool:
        """Whether a refresh would change nothing."""
        changed = self.new or self.edited or self.removed or self.other_model or self.not_indexed or self.relabelled
        return not changed

    def __str__(self) -> str:
        told = {
            "new": self.new,
            "edited": self.edited,
            "with another label": self.relabelled,
            "removed": self.removed,
            "made by another model": self.other_model,
            "with a vector that is not in the index": self.not_indexed,
            "without a possible vector": self.without_vector,
        }
        parts = [f"{count:,} {what}" for what, count in told.items() if count]
        head = f'index "{self.brain_key}": {self.indexed:,} of {self.objects:,} objects'
        return ", ".join([head, *parts, "up to date"] if self.up_to_date else [head, *parts])


@dataclass(frozen=True)
class Match:
    """One object found by a search.

    Attributes:
        label_id: id of the detection
        sample_id: id of the sample that holds it
        filepath: the sample's image
        label: class name, or None
        bounding_box: relative ``[x, y, width, height]``
        score: cosine similarity to the query in [-1, 1]; with ``rerank``, a mean of what two networks see
    """

    label_id: str
    sample_id: str
    filepath: str
    label: str | None
    bounding_box: list[float]
    score: float

    def to_dict(self) -> dict[str, Any]:
        """The match as plain JSON types."""
        return dict(vars(self))
