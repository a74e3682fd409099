"""Half-whitening, part by part: what all objects share counts less, what tells them apart counts more.

The vectors of a network lie along a few directions that nearly all of them share, so that unrelated objects score 0.9.
A principal component analysis, which needs no labels, finds these directions; each axis is divided by the square root
of its standard deviation. That is half of whitening, which would also blow up the noise of the smallest axes (H. Jégou
and O. Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA and whitening", ECCV 2012).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part

Matrix = NDArray[np.float32]

MAX_AXES = 256  # kept of a part
MAX_FITTED = 20_000  # vectors that the axes are found from; more of them hardly move the axes
PRIOR = 64  # vectors' worth of belief that no axis differs from another, so that few vectors explode no axis
BLOCK = 1024  # vectors at a time, so that memory stays small
SEED = 51


@dataclass(frozen=True)
class Whitening:
    """A linear map of each part, fitted on the vectors of an index: from what a model gives to what the index compares.

    Attributes:
        parts: of a vector as the model gives it
        means: what is taken off each part, ``(length,)``
        axes: of each part ``(length, kept)``
    """

    parts: Sequence[Part]
    means: Sequence[Matrix]
    axes: Sequence[Matrix]

    @property
    def out(self) -> list[Part]:
        """The parts of a whitened vector."""
        stops = np.cumsum([axes.shape[1] for axes in self.axes]).tolist()
        starts = [0, *stops[:-1]]
        return [Part(p.name, start, stop, p.whiten) for p, start, stop in zip(self.parts, starts, stops, strict=True)]

    def apply(self, vectors: NDArray[np.floating]) -> Matrix:
        """Whitened vectors.

        Every part is centred, turned and scaled, and gets back the length that it had before: how much each part counts
        for an object is said by these lengths, and stays.

        Args:
            vectors: ``(n, d)`` as the model gives them

        Returns:
            ``(n, sum of kept)`` float32 of length 1; rows without a direction become NaN
        """
        x = np.asarray(vectors, np.float32)
        fitted = zip(self.parts, self.means, self.axes, strict=True)
        return vx.normalize(np.hstack([_transform(x[:, p.start : p.stop], mean, axes) for p, mean, axes in fitted]))

    def centred_on(self, vectors: NDArray[np.floating]) -> Whitening:
        """The same map for vectors from elsewhere, whose own means are taken off instead of the index's.

        Photos of a catalogue differ as a whole from photos of rooms, and would all look like the same few objects.

        Args:
            vectors: ``(n, d)`` as the model gives them, from that other place
        """
        x = np.asarray(vectors, np.float32)
        own = [
            unit(x[:, part.start : part.stop]).mean(axis=0) if part.whiten else mean
            for part, mean in zip(self.parts, self.means, strict=True)
        ]
        return Whitening(self.parts, own, self.axes)

    def beside_mean(self, vectors: NDArray[np.floating]) -> Matrix:
        """Vectors that lie in the direction of these as seen from the mean, so that :meth:`apply` takes none off them.

        A network that knows words and pictures keeps the two apart from each other. What all pictures share is then not
        in a word's vector, and must not be taken off it.

        Args:
            vectors: ``(n, d)`` as the model gives them, for words
        """
        x = np.asarray(vectors, np.float32)
        fitted = zip(self.parts, self.means, strict=True)
        return np.hstack([_beside(x[:, part.start : part.stop], mean) for part, mean in fitted])

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, with the numbers as base64 of little-endian float32."""
        return {
            "parts": [list(part) for part in self.parts],
            "means": [_encode(mean) for mean in self.means],
            "axes": [_encode(axes) for axes in self.axes],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Whitening:
        """The inverse of :meth:`to_dict`."""
        parts = [Part(*part) for part in stored["parts"]]
        means = [_decode(text) for text in stored["means"]]
        axes = [_decode(text).reshape(p.stop - p.start, -1) for p, text in zip(parts, stored["axes"], strict=True)]
        return cls(parts, means, axes)


def fit(vectors: NDArray[np.floating], parts: Sequence[Part] | None = None) -> Whitening:
    """Half-whitening fitted on the vectors of an index, without labels.

    Means and axes lean towards no centring and no scaling as long as there are few vectors: ``PRIOR`` vectors' worth.

    Args:
        vectors: ``(n, d)``, each row with a direction
        parts: of a vector; default is the whole of it as one
    """
    x = np.asarray(vectors, np.float32)
    if len(x) > MAX_FITTED:
        x = x[np.sort(np.random.default_rng(SEED).choice(len(x), MAX_FITTED, replace=False))]
    parts = list(parts or whole(x.shape[1]))
    fitted = [_fit_part(unit(x[:, p.start : p.stop])) if p.whiten else as_is(p.stop - p.start) for p in parts]
    return Whitening(parts, [mean for mean, _ in fitted], [axes for _, axes in fitted])


def whole(dim: int) -> list[Part]:
    """A vector that is not told to have parts."""
    return [Part("all", 0, dim)]


def as_is(length: int) -> tuple[Matrix, Matrix]:
    """The mean and the axes that change nothing."""
    return np.zeros(length, np.float32), np.eye(length, dtype=np.float32)


def _fit_part(x: Matrix) -> tuple[Matrix, Matrix]:
    trust = len(x) / (len(x) + PRIOR)
    mean = (trust * x.mean(axis=0)).astype(np.float32)
    spread = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), BLOCK):
        some = (x[start : start + BLOCK] - mean).astype(np.float64)
        spread += some.T @ some / len(x)
    variances, axes = np.linalg.eigh(spread)
    variances, axes = variances[::-1], axes[:, ::-1]
    if len(x) > x.shape[1]:
        variances, axes = variances[:MAX_AXES], axes[:, :MAX_AXES]
    shrunk = trust * np.maximum(variances, 0) + (1 - trust) * variances.mean()
    floor = max(np.finfo(np.float32).eps * shrunk.max(), 1e-12)
    return mean, (axes / np.maximum(shrunk, floor) ** 0.25).astype(np.float32)


def _transform(x: Matrix, mean: Matrix, axes: Matrix) -> Matrix:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return unit((unit(x) - mean * (length > 0)) @ axes) * length


def _beside(x: Matrix, mean: Matrix) -> Matrix:
    """Where each ray from the mean, which is shorter than 1, meets the sphere; ``(n, length)`` as long as before."""
    rays, length = unit(x), np.linalg.norm(x, axis=1, keepdims=True)
    along = rays @ mean[:, None]
    return (mean + rays * (np.sqrt(along**2 + 1 - mean @ mean) - along)) * length


def unit(x: Matrix) -> Matrix:
    """Rows of length 1; a row of zeros stays one."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.divide(x, length, out=np.zeros_like(x), where=length > 0)


def _encode(array: Matrix) -> str:
    return base64.b64encode(np.ascontiguousarray(array, "<f4").tobytes()).decode("ascii")


def _decode(text: str) -> Matrix:
    return np.frombuffer(base64.b64decode(text), "<f4").copy()
