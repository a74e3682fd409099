"""What an index does to vectors before it compares them, kept beside its Brain run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind.backend import state
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

FITTED = "simfind_fitted"  # says in the configuration of a run, which every copy of it has, that something was fitted


def usable(samples: Any, path: str, embeddings_field: str) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """The label ids and the vectors, ``(n, d)``, of all objects under a path whose vectors have a direction."""
    table = _fields.object_table(samples, path, embeddings_field)
    good = vx.usable(table.vectors)
    return table.label_ids[good], table.vectors[good]


def unsupervised(samples: Any, path: str, embeddings_field: str) -> Whitening:
    """Half-whitening fitted without labels on the vectors of the objects under a path."""
    _, vectors = usable(samples, path, embeddings_field)
    return whitening.fit(vectors, recorded_parts(samples, f"{path}.{embeddings_field}"))


def save(samples: Any, brain_key: str, fitted: Whitening) -> None:
    """Keep what was fitted for an index that is not ours; the next search uses it."""
    dataset = _fields.dataset_of(samples)
    run = state.run_of(dataset, brain_key)
    state.save(dataset, run, state.State(metric=state.add_metric(dataset, run, fitted)))
    config = dataset.get_brain_info(brain_key).config
    setattr(config, FITTED, True)
    config.build().update_run_config(dataset, brain_key, config)


def version(samples: Any, brain_key: str) -> str | None:
    """A name that changes whenever something else was fitted; None where nothing was.

    Raises:
        BrainRunError: something was, and is not there
    """
    dataset = _fields.dataset_of(samples)
    found = state.load(dataset, state.run_of(dataset, brain_key))
    if found is not None:
        return found.metric
    config = dataset.get_brain_info(brain_key).config
    if getattr(config, FITTED, False):
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" was copied without what it compares objects by, as by '
            "dataset.clone() where fiftyone_simfind is not imported; make it anew with simfind.build_index(samples, "
            f'"{config.patches_field}", brain_key="{brain_key}", backend="{config.method}", overwrite=True), and if '
            "simfind.fit_metric had taught it, call that again"
        )
    return None


def load(samples: Any, brain_key: str, of_version: str | None) -> Whitening | None:
    """What was fitted for an index, or None."""
    dataset = _fields.dataset_of(samples)
    return state.load_metric(dataset, state.run_of(dataset, brain_key), of_version)


def save_engine(samples: Any, brain_key: str, facts: dict[str, Any]) -> None:
    """Keep what is to be known of an index whose vectors lie in an engine of its own."""
    dataset = _fields.dataset_of(samples)
    state.save_facts(dataset, state.run_of(dataset, brain_key), facts)


def load_engine(samples: Any, brain_key: str) -> dict[str, Any] | None:
    """What :func:`save_engine` kept for an index, or None."""
    dataset = _fields.dataset_of(samples)
    return state.load_facts(dataset, state.run_of(dataset, brain_key))


def recorded_parts(samples: Any, vectors: str) -> list[Part] | None:
    """The parts of the vectors in a field, where the model that made them has told."""
    found = (_fields.recorded(samples, vectors) or {}).get("parts")
    return [Part(*part) for part in found] if found else None
