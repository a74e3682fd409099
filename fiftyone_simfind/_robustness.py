"""Whether an object keeps its vector when the image changes: place, size, side, light and compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _changes, _fields, _trials
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._changes import Change
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._tables import ChangeResult, RobustnessReport
from fiftyone_simfind._types import Embedder, EmbedReport
from fiftyone_simfind.errors import ModelError, OptionError
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import retrieval
from fiftyone_simfind.numerics import vectors as vx

UNCHANGED = ""


def robustness(
    samples: Any,
    patches_field: str,
    *,
    model: Any,
    changes: Sequence[str] | Mapping[str, Change] | None = None,
    max_objects: int | None = 200,
    seed: int = 51,
    whiten: bool = True,
    image_size: int | None = None,
    batch_size: int = 8,
    num_workers: int | None = None,
    device: str | None = None,
    progress: Any = None,
) -> RobustnessReport:
    """How much the vectors change when the images do, beside how much objects differ from each other.

    Each image is moved and scaled on its canvas, mirrored, darkened, lightened and compressed, its boxes with it. An
    object that a change pushes over the edge of the image does not count for it. Nothing is written::

        report = simfind.robustness(dataset, "ground_truth", model="yolo11n.pt")
        print(report)

    Args:
        samples: image dataset or view
        patches_field: field of ``Detections``
        model: as of :func:`embed`
        changes: names out of ``"shift 2%"``, ``"shift 8%"``, ``"scale 0.5"``, ``"scale 0.75"``, ``"scale 1.5"``,
            ``"flip"``, ``"brightness 0.6"``, ``"brightness 1.5"`` and ``"JPEG 30"``, or functions of your own by name,
            which take a ``(h, w, 3)`` uint8 BGR image and ``(n, 4)`` relative boxes and give both; default is all
        max_objects: take random images until there are so many objects; None takes all
        seed: of that choice
        whiten: compare the vectors as an index does, half-whitened on these very objects; False takes them as they are
        image_size: longest side of an image in a YOLO network, in pixels; default 640
        batch_size: images in a forward pass
        num_workers: threads that read images ahead; default up to 4
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Raises:
        CollectionError: the samples are no images
        FieldError: there is no such field
        ModelError: the model cannot be loaded, or gives fewer than two objects a vector
        OptionError: an option is out of range
    """
    kept = _named(changes)
    view = _fields.images(samples)
    path = _fields.objects_path(view, patches_field)
    from fiftyone_simfind.models import images, load_embedder

    batches = Batches(images.read, batch_size, num_workers, progress=progress)
    items = [_clipped(item) for item in _trials.choose(view, path, max_objects, seed)]
    embedder = load_embedder(model, image_size=image_size or _trials.DEFAULT_IMAGE_SIZE, device=device)
    report = EmbedReport(embedder.name)
    vectors = _embed_changed(embedder, items, kept, batches, report)
    good = vx.usable(vectors[UNCHANGED])
    if good.sum() < 2:
        raise ModelError(f'"{embedder.name}" gave {good.sum()} objects a vector; at least two are needed to compare')
    before, *after = _trials.as_indexed([found[good] for found in vectors.values()], embedder, whiten)
    results = [_result(name, before, changed) for name, changed in zip(kept, after, strict=True)]
    return RobustnessReport(embedder.name, int(good.sum()), results, report.failures)


def _named(changes: Sequence[str] | Mapping[str, Change] | None) -> Mapping[str, Change]:
    if changes is None:
        return _changes.CHANGES
    if isinstance(changes, Mapping):
        return changes
    names = [changes] if isinstance(changes, str) else list(changes)
    unknown = [name for name in names if name not in _changes.CHANGES]
    if unknown or not names:
        raise OptionError(f"changes={names!r} must be some of {list(_changes.CHANGES)}, or functions by name")
    return {name: _changes.CHANGES[name] for name in names}


def _clipped(item: BoxedImage) -> BoxedImage:
    return item._replace(boxes=bx.clip(item.boxes))


def _embed_changed(
    embedder: Embedder,
    items: Sequence[BoxedImage],
    changes: Mapping[str, Change],
    batches: Batches,
    report: EmbedReport,
) -> dict[str, NDArray[np.float32]]:
    """The objects' vectors ``(n, d)`` before and after each change; NaN where an object is no longer inside."""
    steps: dict[str, Change] = {UNCHANGED: lambda image, boxes: (image, boxes), **changes}
    rows: dict[str, dict[str, Any]] = {name: {} for name in steps}

    def work(some: list, pictures: list) -> list:
        found = [_embed_after(embedder, change, some, pictures) for change in steps.values()]
        return list(zip(*found, strict=True))

    def keep(done: list) -> None:
        for item, by_step in done:
            for name, vectors in zip(steps, by_step, strict=True):
                rows[name].update(zip(item.label_ids, vectors, strict=True))

    batches.run(items, len(items), work, keep, report)
    ids = _trials.label_ids(items)
    return {name: _trials.stack(found, ids, embedder.name) for name, found in rows.items()}


def _embed_after(embedder: Embedder, change: Change, some: list, pictures: list) -> list:
    """Per image the vectors ``(n, d)`` of its objects after a change."""
    changed = [change(image, item.boxes) for image, item in zip(pictures, some, strict=True)]
    found = embedder.embed([image for image, _ in changed], [boxes for _, boxes in changed])
    return [
        np.where(_changes.inside(boxes)[:, None], vectors, np.float32(np.nan))
        for vectors, (_, boxes) in zip(found, changed, strict=True)
    ]


def _result(name: str, before: NDArray[np.float32], after: NDArray[np.float32]) -> ChangeResult:
    """What a change did to unit vectors: ``(n, d)`` each, rows of NaN in ``after`` do not count."""
    rows = np.flatnonzero(vx.usable(after))
    if not len(rows):
        return ChangeResult(name, 0, float("nan"), float("nan"), float("nan"))
    same, other, nearest = retrieval.compare_rows(after[rows], before, rows)
    return ChangeResult(name, len(rows), float(same.mean()), float(other.mean()), float(nearest.mean()))
