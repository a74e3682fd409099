"""Build the cosine similarity index: an ordinary FiftyOne Brain run on the objects' vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import fiftyone.brain as fob

from fiftyone_simfind import _fields, _metric, _runs
from fiftyone_simfind._gallery import IN_MEMORY
from fiftyone_simfind.backend import NAME
from fiftyone_simfind.errors import FieldError
from fiftyone_simfind.numerics.whitening import Whitening


def build_index(
    samples: Any,
    patches_field: str,
    *,
    embeddings_field: str = "embedding",
    brain_key: str = "simfind",
    backend: str = NAME,
    whiten: bool | None = None,
    overwrite: bool = False,
    **backend_kwargs: Any,
) -> Any:
    """A similarity index that FiftyOne's own patch search, its panels and :func:`search` all work on.

    It is registered on the dataset, where the App looks for it, and covers all of its objects that have a vector. When
    objects were added, edited or removed, :func:`refresh` brings it up to date.

    A network's vectors lie in a few directions that all of them share. The index therefore finds these directions, part
    by part and without labels, and :func:`search` compares objects by what tells them apart
    (:mod:`fiftyone_simfind.numerics.whitening`). What was found is kept with the index, and is the same for objects
    that come later and for queries from outside.

    Args:
        samples: image dataset or view
        patches_field: field of ``Detections`` with vectors
        embeddings_field: the attribute that holds the vectors
        brain_key: name of the index
        backend: ``"simfind"``, exact and fast from a hundred to a million objects on one machine; or another Brain
            similarity backend: ``"lancedb"``, ``"milvus"``, ``"pgvector"``, ``"qdrant"``, ``"elasticsearch"`` ...
        whiten: whether to do so; default is to do it for vectors that a model of simfind made
        overwrite: replace an index of the same name
        **backend_kwargs: options of that backend

    Returns:
        the Brain run's ``SimilarityIndex``

    Raises:
        FieldError: the field does not exist, or its objects have no vectors
        BrainRunError: there is a run of that name, and ``overwrite`` is not set
        OptionError: the name is not one that FiftyOne takes
    """
    view = _fields.images(samples)
    dataset = _fields.dataset_of(view)
    path = _fields.objects_path(view, patches_field)
    _check_vectors(view, path, embeddings_field, patches_field)
    _runs.require_free(dataset, brain_key, overwrite, option="brain_key")
    if whiten is None:
        whiten = _fields.recorded(dataset, f"{path}.{embeddings_field}") is not None
    make = {NAME: _ours, IN_MEMORY: _in_memory}.get(backend, _in_engine)
    given = _Given(view, patches_field, embeddings_field, backend, whiten, backend_kwargs)
    return _runs.make(dataset, brain_key, lambda key: make(given, key))


class _Given(NamedTuple):
    """What an index is to be made of."""

    view: Any
    patches_field: str
    embeddings_field: str
    backend: str
    whiten: bool
    options: dict[str, Any]


def _ours(given: _Given, key: str) -> Any:
    return _compute(given, key, whiten=given.whiten)


def _in_memory(given: _Given, key: str) -> Any:
    index = _compute(given, key)
    if given.whiten:
        _metric.save(given.view, key, _fit(given))
    return index


def _in_engine(given: _Given, key: str) -> Any:
    from fiftyone_simfind import _engines

    whitening = _fit(given) if given.whiten else None
    view, field, vectors, backend, _, options = given
    return _engines.build(view, field, vectors, backend, key, whitening, **options)


def _compute(given: _Given, key: str, **more: Any) -> Any:
    options = {"embeddings": given.embeddings_field, "backend": given.backend, **more, **given.options}
    return fob.compute_similarity(given.view, brain_key=key, patches_field=given.patches_field, **options)


def _fit(given: _Given) -> Whitening:
    path = _fields.objects_path(given.view, given.patches_field)
    return _metric.unsupervised(given.view, path, given.embeddings_field)


def _check_vectors(view: Any, path: str, embeddings_field: str, patches_field: str) -> None:
    vectors = f"{path}.{embeddings_field}"
    if not _fields.count_values(view, path):
        raise FieldError(f'"{patches_field}" of dataset "{_fields.dataset_of(view).name}" holds no objects to index')
    name = _fields.dataset_of(view).name
    cure = f'run simfind.embed(samples, "{patches_field}", embeddings_field="{embeddings_field}") first'
    if not _fields.exists(view, vectors):
        raise FieldError(f'"{vectors}" does not exist on dataset "{name}"; {cure}')
    if not _fields.count_values(view, vectors):
        raise FieldError(f'no object in "{patches_field}" of dataset "{name}" has a vector in "{vectors}"; {cure}')
