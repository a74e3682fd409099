"""Teach an index from labels what makes objects alike."""

from __future__ import annotations

from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _gallery, _metric
from fiftyone_simfind._gallery import Gallery
from fiftyone_simfind.errors import FieldError
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.whitening import Whitening


def fit_metric(samples: Any, labels: str | None = "label", *, brain_key: str = "simfind") -> None:
    """Make an index compare objects by what the objects of one class do not differ in.

    Each part of the vectors is whitened by the covariance within the classes, shrunk after Ledoit and Wolf: directions
    in which objects of one class differ, such as pose or lighting, count less from then on (A. Hatch et al.,
    "Within-class covariance normalization", 2006). Nothing is embedded again, and what was learnt serves objects of
    other classes and queries from outside as well. Scores change; those of before are not comparable::

        simfind.fit_metric(dataset, "label")
        simfind.fit_metric(dataset, None)        # back to what the index finds without labels

    Args:
        samples: dataset or view; the objects in it whose class is known are learnt from
        labels: attribute of the detections that says what is alike; None forgets what was learnt
        brain_key: name of the index

    Raises:
        BrainRunError: there is no such index
        FieldError: no object has the attribute, or no two have the same value
    """
    gallery = _gallery.load(samples, brain_key)
    dataset = _fields.dataset_of(samples)
    path = _fields.objects_path(dataset, gallery.patches_field)
    label_ids, vectors = _metric.usable(dataset, path, gallery.embeddings_field)
    unsupervised = wh.fit(vectors, _metric.recorded_parts(dataset, f"{path}.{gallery.embeddings_field}"))
    if labels is None:
        _keep(gallery, brain_key, unsupervised, learnt=False)
        return
    inside = gallery.within(samples)
    allowed = set(gallery.label_ids[slice(None) if inside is None else inside].tolist())
    known = _fields.object_values(dataset, path, labels)
    values = [known.get(label_id) if label_id in allowed else None for label_id in label_ids.tolist()]
    rows = np.array([row for row, value in enumerate(values) if value is not None], np.intp)
    codes = np.unique([repr(values[row]) for row in rows], return_inverse=True)[1]
    if len(codes) == 0 or np.bincount(codes).max() < 2:
        raise FieldError(
            f'"{path}.{labels}" of dataset "{dataset.name}" says of no two objects that they are alike; give an '
            "attribute whose values recur, or label some objects first"
        )
    _keep(gallery, brain_key, _supervised(vectors[rows], codes, unsupervised), learnt=True)


def _keep(gallery: Gallery, brain_key: str, fitted: Whitening, *, learnt: bool) -> None:
    if gallery.index is None:
        _metric.save(fo.load_dataset(gallery.dataset_name), brain_key, fitted)
    else:
        gallery.index.home.rebuild(use=fitted, learnt=learnt)


def _supervised(vectors: NDArray[np.float32], codes: NDArray[np.intp], base: Whitening) -> Whitening:
    """The same parts and means, with axes that whiten the covariance within the classes."""
    axes = [
        _within(wh.unit(vectors[:, part.start : part.stop]), codes) if part.whiten else axes
        for part, axes in zip(base.parts, base.axes, strict=True)
    ]
    return Whitening(base.parts, base.means, axes)


def _within(x: NDArray[np.float32], codes: NDArray[np.intp]) -> NDArray[np.float32]:
    """The inverse square root of the covariance within classes: ``(n, d)`` and ``(n,)`` to ``(d, d)``."""
    from sklearn.covariance import ledoit_wolf

    counts = np.bincount(codes)
    means = np.zeros((len(counts), x.shape[1]))
    np.add.at(means, codes, x)
    rest = (x - (means / np.maximum(counts, 1)[:, None])[codes])[counts[codes] > 1]
    covariance, _ = ledoit_wolf(rest.astype(np.float64), assume_centered=True)
    variances, axes = np.linalg.eigh(covariance)
    floor = max(np.finfo(np.float32).eps * variances.max(), 1e-12)
    return (axes / np.sqrt(np.maximum(variances, floor))).astype(np.float32)
