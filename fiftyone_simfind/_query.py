"""What can be searched for: label ids, labels, vectors, objects of an image from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind._candidates import Candidate
from fiftyone_simfind._gallery import Gallery
from fiftyone_simfind._rules import Found
from fiftyone_simfind.backend import NAME
from fiftyone_simfind.errors import OptionError, QueryError
from fiftyone_simfind.numerics import parts as pt
from fiftyone_simfind.numerics import vectors as vx

MOSTLY = 20.0  # times as much as else
OBJECTS = (str, fo.Detection, fo.core.patches.PatchView)


@dataclass(frozen=True)
class Query:
    """What to search for.

    Attributes:
        vector: ``(d,)`` float32 of length 1
        objects: those that it was made of, positives only; none for vectors
        unlike: the objects of its negatives
        labels: the class names of what it was made of
        candidates: what it was made of that comes from an image outside, positives only
    """

    vector: NDArray[np.float32]
    objects: Found
    unlike: Found
    labels: frozenset[str] = frozenset()
    candidates: tuple[Candidate, ...] = ()


def resolve(
    gallery: Gallery,
    query: Any,
    negatives: Any = None,
    *,
    emphasis: str | Mapping[str, float] | None = None,
    domain: Any = None,
) -> Query:
    """The query that a user means.

    Args:
        gallery: the objects to search
        query: a label id, a ``Detection``, a patch, a :class:`Candidate`, a ``(d,)`` vector; a list of the former, or
            a ``(m, d)`` matrix, is combined by :func:`fiftyone_simfind.numerics.vectors.combine`
        negatives: the same, for objects that matches should not be like
        emphasis: the part that is to count, or how much each counts
        domain: ``(m, d)`` vectors of other things from where the query comes from

    Raises:
        QueryError: nothing is given, an id is unknown or without a vector, or a vector has another length
        OptionError: the vectors have no such part, or a number is out of range, or the index has no whitening
    """
    like = _examples(gallery, query, "query", domain)
    unlike = _examples(gallery, negatives, "negatives", domain) if negatives is not None else _nothing(gallery)
    if domain is not None and like.label_ids:
        raise OptionError("query_domain is for queries that are vectors; the index knows its own objects")
    vector = vx.combine(like.vectors, unlike.vectors)
    if emphasis is not None:
        vector = pt.emphasize(vector, gallery.parts, _factors(gallery, emphasis))
    if np.isnan(vector).any():
        raise QueryError("the query's vectors cancel out to nothing; give fewer negatives, or other ones")
    candidates = _candidates(query)
    labels = [*like.labels, *(candidate.label for candidate in candidates)]
    named = frozenset(label for label in labels if label is not None)
    return Query(vector, like, unlike, named, tuple(candidates))


def _candidates(given: Any) -> list[Candidate]:
    """Those of the things that are given which come from an image outside."""
    if isinstance(given, Candidate):
        return [given]
    return [item for item in given if isinstance(item, Candidate)] if isinstance(given, Sequence) else []


def _factors(gallery: Gallery, emphasis: str | Mapping[str, float]) -> Mapping[str, float]:
    known = pt.names(gallery.parts)
    if isinstance(emphasis, str):
        emphasis = {emphasis: MOSTLY}
    unknown = sorted(set(emphasis) - set(known))
    if unknown or len(known) < 2:
        raise OptionError(
            f"emphasis={emphasis!r} names parts that the vectors of this index do not have; theirs are {known}"
            + ("" if len(known) > 1 else ". Vectors of YOLO detectors have look, shape and kind")
        )
    wrong = {name: factor for name, factor in emphasis.items() if not (np.isfinite(factor) and factor >= 0)}
    if wrong or not any(emphasis.get(name, 1.0) for name in known):
        raise OptionError(f"emphasis={emphasis!r} must be numbers of 0 or more, and not 0 for every part")
    return emphasis


def _examples(gallery: Gallery, given: Any, name: str, domain: Any) -> Found:
    """Objects of the index, and vectors beside them, as the index compares them."""
    if isinstance(given, (*OBJECTS, Candidate)):
        given = [given]
    if not isinstance(given, (Sequence, np.ndarray)) or len(given) == 0:
        what = repr(given) if isinstance(given, (Sequence, type(None))) else f"a {type(given).__name__}"
        raise QueryError(
            f"{name} is {what}, which gives nothing to search for; give a label id, a detection, a patch, a candidate, "
            "a vector, or a list of these"
        )
    if not all(isinstance(item, (*OBJECTS, Candidate)) for item in given):
        return _nothing(gallery)._replace(vectors=_outside(gallery, given, name, domain))
    ids = [item if isinstance(item, str) else item.id for item in given if not isinstance(item, Candidate)]
    found = _objects(gallery, ids) if ids else _nothing(gallery)
    if len(ids) == len(given):
        return found
    vectors = _outside(gallery, [candidate.vector for candidate in _candidates(given)], name, domain)
    return found._replace(vectors=np.concatenate([found.vectors, vectors]))


def _outside(gallery: Gallery, given: Any, name: str, domain: Any) -> NDArray[np.float32]:
    """Vectors that are not of the index, as the index compares them."""
    vectors = _vectors(gallery, given, name)
    if domain is not None and gallery.whitening is None:
        raise OptionError(
            "query_domain needs an index that knows its own objects' mean; make it with whiten=True: "
            f'simfind.build_index(samples, "{gallery.patches_field}"{_named(gallery)}, whiten=True, overwrite=True)'
        )
    if gallery.whitening is None:
        return vectors
    whitening = gallery.whitening
    if domain is not None:
        whitening = whitening.centred_on(_vectors(gallery, domain, "query_domain"))
    return whitening.apply(vectors)


def _nothing(gallery: Gallery) -> Found:
    return Found([], [], [], np.empty(0, np.float32), np.empty((0, gallery.parts[-1].stop), np.float32))


def _objects(gallery: Gallery, label_ids: list[str]) -> Found:
    found = gallery.known(label_ids)
    missing = next((label_id for label_id in label_ids if label_id not in set(found.label_ids)), None)
    if missing is None:
        return found
    dataset = fo.load_dataset(gallery.dataset_name)
    field, vectors = gallery.patches_field, gallery.embeddings_field
    there = _fields.find_object(dataset, field, missing)
    if there is None:
        raise QueryError(
            f'"{missing}" is the id of no object in "{field}" of dataset "{dataset.name}"; '
            f'see dataset.values("{field}.detections.id", unwind=True), or search for its vector'
        )
    if not there.has_field(vectors) or there[vectors] is None:
        raise QueryError(
            f'object "{missing}" in "{field}" has no vector; run simfind.embed(samples, "{field}", '
            f'embeddings_field="{vectors}"), then simfind.refresh(samples{_named(gallery)})'
        )
    raise QueryError(
        f'object "{missing}" in "{field}" has a vector, but is not in the index; run '
        f"simfind.refresh(samples{_named(gallery)})"
    )


def _named(gallery: Gallery) -> str:
    """The index as an option of a call, where it has another name than by default."""
    return "" if gallery.brain_key == NAME else f', brain_key="{gallery.brain_key}"'


def _vectors(gallery: Gallery, given: Any, name: str) -> NDArray[np.float32]:
    try:
        vectors = np.atleast_2d(np.asarray(given, dtype=np.float32))
    except (TypeError, ValueError):
        raise QueryError(
            f"{name}={given!r} mixes vectors with other things; give ids and candidates, or numbers alone"
        ) from None
    if not gallery.dim:
        raise QueryError(
            f'index "{gallery.brain_key}" of dataset "{gallery.dataset_name}" is empty; give the objects in '
            f'"{gallery.patches_field}" vectors, then run simfind.refresh(samples{_named(gallery)})'
        )
    if vectors.ndim != 2 or vectors.shape[1] != gallery.dim:
        raise QueryError(f"{name} has shape {np.shape(given)}, but the index holds vectors of length {gallery.dim}")
    if not vx.usable(vectors).all():
        raise QueryError(f"{name} holds a vector that is all zeros or not finite, and so has no direction")
    return vectors
