"""Indexes whose vectors lie in an engine of their own: a vector database that FiftyOne's Brain can talk to.

The engine is asked for the nearest objects, and for more of them as long as the rules of the search leave too few. What
it names is scored anew with the vectors of the dataset, so that scores do not depend on the engine.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import fiftyone.brain as fob
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _metric, _paging, _vendors
from fiftyone_simfind._objects import Object, Source
from fiftyone_simfind._rules import Found, Rules
from fiftyone_simfind._vendors import Engine
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError, PackageError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening


@dataclass(frozen=True)
class EngineGallery:
    """Objects that can be found, by what an engine knows of them.

    Attributes:
        dataset_name: name of the dataset
        brain_key: name of the index
        patches_field: the field of the objects
        embeddings_field: the attribute of their vectors
        dim: length of a vector as the model gives it
        parts: what the numbers of a vector are, as the index compares it
        whitening: what the index does to vectors before it compares them; None when it takes them as they are
        source: where the objects are read from
        engine: where they are searched
    """

    dataset_name: str
    brain_key: str
    patches_field: str
    embeddings_field: str
    dim: int
    parts: list[Part]
    whitening: Whitening | None = field(repr=False)
    source: Source = field(repr=False)
    engine: Engine = field(repr=False)

    def known(self, label_ids: Sequence[str]) -> Found:
        """Objects by id, with scores of 1, in the order asked for; those without a usable vector are left out."""
        found = self.source.by_id(label_ids)
        objects, vectors = self._compared([found[label_id] for label_id in label_ids if label_id in found])
        return _paging.found(objects, np.ones(len(objects)), vectors)

    def rank(self, vector: NDArray[np.float32], k: int, rules: Rules) -> Found:
        """The objects most like a vector that the rules of a search allow.

        Args:
            vector: ``(d,)`` of length 1, as the index compares them
            k: at most this many
            rules: which objects may be found, and in which order

        Raises:
            OptionError: the engine does not give as many objects as it takes to know
        """
        return _paging.rank(self.engine, self.source, self._compared, vector, k, rules)

    def _compared(self, objects: Sequence[Object]) -> tuple[list[Object], NDArray[np.float32]]:
        return compared(objects, self.source, self.whitening, self.dim)


def load(samples: Any, brain_key: str) -> EngineGallery:
    """The objects of a similarity index that is kept in an engine.

    Raises:
        BrainRunError: there is no such index, its engine cannot be reached, or it holds vectors of an older fit
    """
    dataset = _fields.dataset_of(samples)
    if brain_key not in dataset.list_brain_runs():
        raise BrainRunError(
            f'"{brain_key}" is no brain run of dataset "{dataset.name}"; its similarity indexes are '
            f"{dataset.list_brain_runs(type='similarity')}"
        )
    config = dataset.get_brain_info(brain_key).config
    facts, fitted = _metric.load_engine(dataset, brain_key), _metric.version(dataset, brain_key)
    if facts is None or facts["fitted"] != fitted:
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" was not filled with the vectors that a search compares; '
            f'make it anew with simfind.build_index(samples, "{config.patches_field}", brain_key="{brain_key}", '
            f'backend="{config.method}", overwrite=True)'
        )
    engine = _engine(dataset, brain_key)
    source, dim = Source(dataset, config.patches_field, facts["embeddings_field"]), facts["dim"]
    whitening = _metric.load(dataset, brain_key, fitted)
    parts = whitening.out if whitening else _metric.recorded_parts(dataset, source.vectors) or wh.whole(dim)
    return EngineGallery(
        dataset.name, brain_key, config.patches_field, source.attribute, dim, list(parts), whitening, source, engine
    )


def build(
    view: Any,
    patches_field: str,
    embeddings_field: str,
    backend: str,
    brain_key: str,
    whitening: Whitening | None,
    **backend_kwargs: Any,
) -> Any:
    """A Brain index in an engine, of all objects of the dataset that have a vector, as they are to be compared.

    Args:
        view: dataset or view
        patches_field: field of ``Detections``
        embeddings_field: attribute that holds the vectors
        backend: a Brain similarity backend with an engine of its own
        brain_key: name of the index
        whitening: what to do to vectors before they are compared; None to take them as they are
        **backend_kwargs: options of that backend

    Returns:
        the Brain run's ``SimilarityIndex``

    Raises:
        PackageError: a package that the backend needs is not installed
        OptionError: an option cannot be used
        BrainRunError: the engine cannot be reached
        FieldError: no object has a vector with a direction
    """
    dataset = _fields.dataset_of(view)
    _check(backend, backend_kwargs)
    options = {**_vendors.vendor(backend).defaults, "metric": "cosine", **backend_kwargs}
    options |= dict(patches_field=patches_field, embeddings=False, backend=backend, brain_key=brain_key)
    index = _connected(backend, lambda: fob.compute_similarity(dataset, **options))
    engine = _vendors.vendor(backend)(index)
    if not engine.is_new():
        given = {name: backend_kwargs[name] for name in engine.names if name in backend_kwargs}
        raise OptionError(
            f"{backend} already holds a table {given}, which would be mixed up; give another name, or none"
        )
    source = Source(dataset, patches_field, embeddings_field)
    try:
        dim = _fill(engine, source, whitening)
    except BaseException:
        if not engine.is_new():
            engine.drop()
        raise
    if whitening is not None:
        _metric.save(dataset, brain_key, whitening)
    fitted = _metric.version(dataset, brain_key)
    _metric.save_engine(dataset, brain_key, dict(embeddings_field=embeddings_field, dim=dim, fitted=fitted))
    return index


def discard(dataset: Any, brain_key: str) -> None:
    """Delete what an index keeps in an engine; nothing where it keeps nothing there.

    Raises:
        BrainRunError: the engine cannot be reached, or does not hold it
    """
    if _metric.load_engine(dataset, brain_key) is not None:
        _engine(dataset, brain_key).drop()


def compared(
    objects: Sequence[Object], source: Source, whitening: Whitening | None, dim: int | None = None
) -> tuple[list[Object], NDArray[np.float32]]:
    """The objects whose vectors have a direction, and ``(n, d)`` these vectors as an index compares them.

    Raises:
        FieldError: the vectors are not all of one length, or not of ``dim``
    """
    having = [(found, found.vector) for found in objects if found.vector is not None]
    lengths = sorted({len(vector) for _, vector in having} | ({dim} if dim else set()))
    if len(lengths) > 1:
        raise FieldError(
            f'"{source.vectors}" holds vectors of different lengths, {lengths}: embed the objects again, all with one '
            "model, and build the index anew"
        )
    if not having:
        return [], np.empty((0, 0), np.float32)
    stored = np.array([vector for _, vector in having], np.float32)
    rows = np.flatnonzero(vx.usable(stored))
    vectors = whitening.apply(stored[rows]) if whitening else vx.normalize(stored[rows])
    good = ~np.isnan(vectors).any(axis=1)
    return [having[row][0] for row in rows[good]], vectors[good]


def _check(backend: str, options: dict[str, Any]) -> None:
    missing = _vendors.missing(backend)
    if missing:
        raise PackageError(
            f'backend="{backend}" needs {" and ".join(missing)}: pip install "fiftyone-simfind[{backend}]"'
        )
    if options.get("metric", "cosine") != "cosine":
        raise OptionError(f'metric="{options["metric"]}": every score is a cosine similarity; leave metric out')


def _engine(dataset: Any, brain_key: str) -> Engine:
    backend = dataset.get_brain_info(brain_key).config.method
    index = _connected(backend, lambda: dataset.load_brain_results(brain_key, load_view=False))
    engine = _vendors.vendor(backend)(index)
    if engine.is_new():
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" is not in the {backend} that FiftyOne is told to use'
            f"{_vendors.where(backend)}"
        )
    return engine


def _connected(backend: str, connect: Callable[[], Any]) -> Any:
    try:
        return connect()
    except Exception as error:  # each client has errors of its own
        raise BrainRunError(f"{backend} cannot be used: {str(error).strip()}{_vendors.where(backend)}") from error


def _fill(engine: Engine, source: Source, whitening: Whitening | None) -> int:
    """Put all objects into an engine, and get the length of their vectors as the model gives them."""
    source.index_ids()
    dim, left_out, put = None, 0, 0
    for batch in source.batches():
        objects, vectors = compared(batch, source, whitening, dim)
        dim = dim or len(np.asarray(batch[0].vector))
        left_out += len(batch) - len(objects)
        put += len(objects)
        if objects:
            engine.add(vectors, [found.sample_id for found in objects], [found.label_id for found in objects])
    if not put:
        raise FieldError(f'no object has a vector with a direction in "{source.vectors}"; run simfind.embed first')
    engine.finish()
    if left_out:
        warnings.warn(
            f'{left_out} objects are left out: their vectors in "{source.vectors}" are all zeros or not finite, and so '
            "have no direction",
            stacklevel=3,
        )
    return dim or 0
