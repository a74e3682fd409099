"""What an index does to vectors before it compares them, kept beside its Brain run."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
from fiftyone.operators.store import ExecutionStore
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

STORE = "simfind"


def unsupervised(samples: Any, path: str, embeddings_field: str) -> tuple[NDArray[np.float32], Whitening]:
    """The usable vectors of the objects under a path, ``(n, d)``, and half-whitening fitted on them without labels."""
    vectors = _fields.object_table(samples, path, embeddings_field).vectors
    vectors = vectors[vx.usable(vectors)]
    return vectors, whitening.fit(vectors, recorded_parts(samples, f"{path}.{embeddings_field}"))


def save(samples: Any, brain_key: str, fitted: Whitening) -> None:
    """Keep what was fitted for an index; the next search uses it. What belongs to no run any more is removed."""
    dataset = _fields.dataset_of(samples)
    store, run = _store(dataset), _run(dataset, brain_key)
    version = uuid.uuid4().hex
    store.set(f"{run}.{version}", fitted.to_dict())
    store.set(run, version)
    runs = {_run(dataset, key) for key in dataset.list_brain_runs()}
    for key in store.list_keys():
        owner, _, of_version = key.partition(".")
        if owner not in runs or (owner == run and of_version not in ("", version)):
            store.delete(key)


def version(samples: Any, brain_key: str) -> str | None:
    """A name that changes whenever something else was fitted; None where nothing was."""
    dataset = _fields.dataset_of(samples)
    return _store(dataset).get(_run(dataset, brain_key))


def load(samples: Any, brain_key: str, of_version: str | None) -> Whitening | None:
    """What was fitted for an index, or None."""
    if of_version is None:
        return None
    dataset = _fields.dataset_of(samples)
    stored = _store(dataset).get(f"{_run(dataset, brain_key)}.{of_version}")
    return None if stored is None else Whitening.from_dict(stored)


def recorded_parts(samples: Any, vectors: str) -> list[Part] | None:
    """The parts of the vectors in a field, where the model that made them has told."""
    found = (_fields.recorded(samples, vectors) or {}).get("parts")
    return [Part(*part) for part in found] if found else None


def _store(dataset: Any) -> ExecutionStore:
    return ExecutionStore.create(STORE, dataset_id=dataset._doc.id)


def _run(dataset: Any, brain_key: str) -> str:
    """A name of the run that outlives its renaming: when it was made, in milliseconds, as the database keeps it."""
    return str(int(dataset.get_brain_info(brain_key).timestamp.timestamp() * 1000))
