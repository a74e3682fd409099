"""Why an object was found: which parts of the vectors agree with the query, and where in the box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _embedding, _fields
from fiftyone_simfind._types import Match
from fiftyone_simfind.errors import FieldError, ModelError
from fiftyone_simfind.numerics import grids
from fiftyone_simfind.numerics import parts as pt
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

Describe = Callable[[NDArray[np.uint8], list[float]], tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True)
class Compared:
    """What a search compared, kept so that its matches can be explained even after the index has changed.

    Attributes:
        query: ``(d,)`` float32 of length 1, as searched: examples, negatives and emphasis are all in it
        vectors: ``(k, d)`` float32 of length 1, those of the matches in their order
        parts: what their numbers are
        whitening: what the index does to a model's vectors; None when it takes them as they are
        path: the field that the vectors come from
    """

    query: NDArray[np.float32] = field(repr=False)
    vectors: NDArray[np.float32] = field(repr=False)
    parts: list[Part]
    whitening: Whitening | None = field(repr=False)
    path: str

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine similarity to the query, in [-1, 1], of ``(..., d)`` vectors as the model gives them."""
        flat = vectors.reshape(-1, vectors.shape[-1])
        return np.nan_to_num(vx.cosine(self.as_indexed(flat), self.query)).reshape(vectors.shape[:-1])

    def as_indexed(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """``(n, d)`` vectors as the model gives them, as the index compares them: of length 1, or NaN."""
        return vx.normalize(vectors) if self.whitening is None else self.whitening.apply(vectors)


@dataclass(frozen=True)
class Explanation:
    """Why one match of a search scored as it did; ``print`` it, or :meth:`plot` it.

    Attributes:
        match: the object
        score: the index's cosine similarity of the match to the query; after ``rerank`` the match's own is another
        parts: what each part of the vectors gives to the score, the largest first; their sum is the score
        heatmap: ``(7, 7)`` float32 in [-1, 1]: the score that each cell of the box would have if it were an object of
            its own, rows from top to bottom of what is inside the image. It shows which places look like the query as
            a whole, and is no split of the score: the mean of the cells is mostly lower
        weights: ``(7, 7)`` float32 of sum 1: how much each cell counts in the vector of the match. It is low on the
            background, so that ``heatmap * weights`` shows the places that look like the query and count
    """

    match: Match
    score: float
    parts: dict[str, float]
    heatmap: NDArray[np.float32] = field(repr=False)
    weights: NDArray[np.float32] = field(repr=False)

    def __str__(self) -> str:
        shares = {name: round(share, 2) for name, share in self.parts.items()}
        terms = [f"{'-' if share < 0 else '+'} {name} {abs(share):.2f}" for name, share in shares.items()]
        return f"{self.score:.2f} = {' '.join(terms).removeprefix('+ ')}"

    def plot(self, path: str | Path | None = None) -> Any:
        """The match, and beside it the same with its heat map, as a picture.

        Args:
            path: image file to write

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._plots import plot_explanation

        return plot_explanation(self, path)


def explain(
    samples: Any,
    match: Match,
    vector: NDArray[np.float32],
    compared: Compared,
    *,
    model: Any = None,
    heatmap_field: str | None = None,
) -> Explanation:
    """Why a match scored as it did; see :meth:`fiftyone_simfind.SearchResults.explain`.

    Args:
        samples: where the match is
        match: the object
        vector: ``(d,)`` its own, as the index compares it
        compared: what the search compared
        model: the model that made the vectors; default is to load what was recorded
        heatmap_field: field of the samples to write the heat map into
    """
    if heatmap_field is not None:
        _fields.require_heatmap_field(samples, heatmap_field)
    from fiftyone_simfind.models import images

    describe = cells_of(samples, compared.path, model, match)
    image = images.read(match.filepath)
    cells, weights = describe(image, match.bounding_box)
    shares = pt.shares(compared.query, vector, compared.parts)
    parts = dict(sorted(shares.items(), key=lambda item: -item[1]))
    found = Explanation(match, sum(parts.values()), parts, compared.score(cells), weights)
    if heatmap_field is not None:
        height, width = image.shape[:2]
        whole = grids.spread(found.heatmap.clip(0, 1), match.bounding_box, grids.at_most((width, height)))
        _fields.write_heatmap(samples, heatmap_field, match.sample_id, whole)
    return found


def cells_of(samples: Any, path: str, model: Any, match: Match) -> Describe:
    """What describes the cells of an object's box, of the very model that made the vectors in a field.

    Raises:
        FieldError: nobody knows which model that was
        ModelError: it cannot be loaded, is another, or sees no cells
    """
    facts = _fields.recorded(samples, path)
    name, dataset = f'"{path}"', _fields.dataset_of(samples).name
    objects, _, attribute = path.rpartition(".")
    patches_field = objects.removesuffix(".detections")
    again = f'simfind.embed(samples, "{patches_field}", embeddings_field="{attribute}", model=..., overwrite=True)'
    if facts is None:
        raise FieldError(
            f'the vectors in {name} of dataset "{dataset}" were not made by simfind, so their model is not known and '
            f"cannot look at parts of a box; make them with {again} and build the index again"
        )
    if model is None and not facts.get("weights"):
        raise ModelError(
            f"the vectors in {name} were made by {facts['model']}, which was given as an object and can not be loaded "
            "again; give it to explain(), plot() or plot_features() as model="
        )
    from fiftyone_simfind.models import load_embedder

    source = facts["weights"] if model is None else model
    embedder = load_embedder(source, image_size=facts["image_size"])
    if embedder.name != facts["model"]:
        raise ModelError(
            f"the vectors in {name} were made by {facts['model']}, not by {embedder.name}; give those weights as "
            f"model=, or make the vectors again with {again} and build the index again"
        )
    describe = getattr(embedder, "describe_cells", None)
    if describe is None:
        raise ModelError(
            f"{embedder.name} gives a vector to a crop as a whole and cannot say where in it; only YOLO detectors can: "
            f"{again} with YOLO weights, and build the index again"
        )
    if not _embedding.takes_masks(embedder):
        return describe
    there = _fields.boxed_objects(samples, objects, [match.sample_id], [match.label_id], masks=True)
    mask = next((image.masks[0] for image in there if image.masks), None)
    return partial(describe, mask=mask)
