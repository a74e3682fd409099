"""What can be searched for in an image from outside: its objects, and the image as a whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiftyone_simfind.errors import QueryError

WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Candidate:
    """Something in an image from outside the dataset that :func:`search` can be asked for.

    Attributes:
        label: class name; None for the whole image
        bounding_box: relative ``[x, y, width, height]``, top-left origin
        confidence: how sure the model is of the object, in [0, 1]; None for the whole image
        vector: ``(d,)`` float32, as the model gives it
        picture: what it looks like, RGB, with a little of what is around it; None where that is not known
    """

    label: str | None
    bounding_box: list[float]
    confidence: float | None
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    picture: Image.Image | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The candidate as plain JSON types, its vector as base64 of float32, and without its picture."""
        packed = base64.b64encode(np.asarray(self.vector, "<f4").tobytes()).decode("ascii")
        told = {"label": self.label, "bounding_box": list(self.bounding_box), "confidence": self.confidence}
        return {**told, "vector": packed}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Candidate:
        """The candidate that :meth:`to_dict` was called on.

        Raises:
            QueryError: this is no such thing; it may come from a browser
        """
        try:
            label, confidence = stored["label"], stored["confidence"]
            box = [float(number) for number in stored["bounding_box"]]
            vector = np.frombuffer(base64.b64decode(stored["vector"], validate=True), "<f4").astype(np.float32)
            sure = None if confidence is None else float(confidence)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise QueryError(f"this is no candidate of simfind.detect_query: {error!r}") from None
        if len(box) != 4 or not np.isfinite(box).all() or not isinstance(label, (str, type(None))):
            raise QueryError("this is no candidate of simfind.detect_query: its box or its label is none")
        return cls(label, box, sure, vector)
