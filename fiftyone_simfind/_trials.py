"""The same objects through a model without a trace in the dataset: what comparisons of models are made on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _embedding, _fields, _measures
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._types import Embedder, EmbedReport
from fiftyone_simfind.errors import FieldError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening

DEFAULT_IMAGE_SIZE = 640


@dataclass
class Stopwatch:
    """Seconds spent inside ``with watch.running():``."""

    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - started


@dataclass
class Trial:
    """What a model made of some objects.

    Attributes:
        vectors: ``(n, d)`` float32; NaN for objects that have no vector
        seconds: wall time, reading the images included; None when the vectors were there already
        model_seconds: wall time inside the model; None likewise
        failures: reason by filepath, for images that could not be read or processed
    """

    vectors: NDArray[np.float32]
    seconds: float | None = None
    model_seconds: float | None = None
    failures: dict[str, str] = field(default_factory=dict)

    def milliseconds(self) -> tuple[float | None, float | None]:
        """Both times for one object."""
        count = len(self.vectors)
        whole, model = (None if s is None else 1000 * s / count for s in (self.seconds, self.model_seconds))
        return whole, model


def choose(view: Any, path: str, max_objects: int | None, seed: int, *, masks: bool = False) -> list[BoxedImage]:
    """The images with their objects; with ``max_objects``, random images until there are so many objects.

    Whole images are taken, but for the last one, so that a model which goes over an image once for all of its objects
    is seen at its usual work. With ``masks``, objects come with theirs.

    Raises:
        OptionError: ``max_objects`` is out of range
        FieldError: there are no objects
    """
    _measures.check_count("max_objects", max_objects)
    items = [item for item in _fields.boxed_images(view, path, masks=masks) if item.label_ids]
    if not items:
        raise FieldError(f'"{path}" of dataset "{_fields.dataset_of(view).name}" holds no objects in these samples')
    if max_objects is None:
        return items
    taken: dict[int, BoxedImage] = {}
    left = max_objects
    for place in np.random.default_rng(seed).permutation(len(items)).tolist():
        taken[place] = items[place].take(range(min(left, len(items[place].label_ids))))
        left -= len(taken[place].label_ids)
        if left == 0:
            break
    return [taken[place] for place in sorted(taken)]


def label_ids(items: Sequence[BoxedImage]) -> list[str]:
    """The ids of all objects, image by image."""
    return [label_id for item in items for label_id in item.label_ids]


def embed(embedder: Embedder, items: Sequence[BoxedImage], batches: Batches) -> Trial:
    """The vectors of the objects, in their order; the model runs once on the first image before the clock does."""
    warm_up(embedder, items, batches)
    watch = Stopwatch()
    rows: dict[str, Any] = {}

    def work(some: list, pictures: list) -> list:
        with watch.running():
            return _embedding.vectors(embedder, some, pictures)

    def keep(done: list) -> None:
        for item, found in done:
            rows.update(zip(item.label_ids, found, strict=True))

    report = EmbedReport(embedder.name)
    batches.run(items, len(items), work, keep, report)
    return Trial(stack(rows, label_ids(items), embedder.name), report.seconds, watch.seconds, report.failures)


def warm_up(embedder: Embedder, items: Sequence[BoxedImage], batches: Batches) -> None:
    """Let the model compile and allocate what it needs; an image that cannot be read is a matter for the real run."""
    try:
        _embedding.vectors(embedder, items[:1], [batches.read(items[0].filepath)])
    except Exception:
        return


def read_ahead(items: Sequence[BoxedImage]) -> None:
    """Have the operating system keep the files in memory, so that the first model does not wait longer for them."""
    for item in items:
        if Path(item.filepath).is_file():
            Path(item.filepath).read_bytes()


def image_numbers(items: Sequence[BoxedImage]) -> NDArray[np.intp]:
    """The place of each object's image in ``items``: ``(n,)``."""
    return np.repeat(np.arange(len(items)), [len(item.label_ids) for item in items])


def stack(rows: Mapping[str, Any], ids: Sequence[str], name: str) -> NDArray[np.float32]:
    """``(n, d)`` float32 of vectors by label id; NaN for ids that have none.

    Raises:
        FieldError: they have different lengths
    """
    found = [rows.get(label_id) for label_id in ids]
    lengths = sorted({len(row) for row in found if row is not None})
    if len(lengths) > 1:
        raise FieldError(f'"{name}" gives vectors of different lengths, {lengths}; embed all objects with one model')
    nothing = np.full(lengths[0] if lengths else 0, np.nan, dtype=np.float32)
    return np.array([nothing if row is None else row for row in found], dtype=np.float32).reshape(len(ids), -1)


def as_indexed(several: Sequence[NDArray[np.float32]], source: Any, whiten: bool) -> list[NDArray[np.float32]]:
    """Vectors as an index of the first ones compares them, of length 1: ``(n, d)`` each; rows of NaN stay NaN.

    Args:
        several: the first is ``(n, d)`` with a direction in each row
        source: what made them; its ``parts`` are whitened each on its own
        whiten: half-whiten them, as :mod:`fiftyone_simfind.numerics.whitening` does
    """
    if not whiten:
        return [vx.normalize(vectors) for vectors in several]
    fitted = whitening.fit(several[0], getattr(source, "parts", None))
    return [fitted.apply(vectors) for vectors in several]
