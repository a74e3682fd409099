"""What the database says about an index besides its Brain run: its version, and what it does to vectors.

One key of FiftyOne's execution store names both, so that they always change together.
"""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

import fiftyone.core.odm as foo
from bson import ObjectId
from fiftyone.operators.store import ExecutionStore

from fiftyone_simfind.numerics.whitening import Whitening

STORE = "simfind"
ENGINE = "engine"  # what is kept under this name with a run is no metric


class State(NamedTuple):
    """The state of an index.

    Attributes:
        metric: name of the whitening that was fitted for it; None where vectors are compared as they are
        version: name of the version of its vectors; None for the backends of others
        fitted_on: how many objects it had when the whitening was fitted
        learnt: whether that was learnt from labels
        stand: what the samples were that the version was made of; None where that cannot be told
    """

    metric: str | None = None
    version: str | None = None
    fitted_on: int = 0
    learnt: bool = False
    stand: str | None = None


def run_of(dataset: Any, brain_key: str) -> str:
    """A name of a run that outlives its renaming, and that no other has: its id in the database."""
    return str(dataset._doc.brain_methods[brain_key].id)


def runs(dataset: Any) -> set[str]:
    """The names of all runs of a dataset, those that other processes made meanwhile included."""
    return {str(found["_id"]) for found in foo.get_db_conn()["runs"].find({"_dataset_id": dataset._doc.id}, {"_id": 1})}


def load(dataset: Any, run: str) -> State | None:
    """The state of an index, or None where nothing was noted."""
    stored = _store(dataset).get(run)
    return None if stored is None else State(**stored)


def save(dataset: Any, run: str, state: State) -> None:
    """Note the state of an index, at once and as a whole; what no index refers to any more is removed."""
    store = _store(dataset)
    store.set(run, state._asdict())
    present = runs(dataset) | {run}
    for key in store.list_keys():
        owner, _, metric = key.partition(".")
        if not ObjectId.is_valid(owner):  # no run's: something else that is kept with the dataset
            continue
        if owner not in present or (owner == run and metric not in ("", state.metric, ENGINE)):
            store.delete(key)


def forget(dataset: Any, run: str) -> None:
    """Remove all that is noted about an index."""
    store = _store(dataset)
    for key in store.list_keys():
        if key.partition(".")[0] == run:
            store.delete(key)


def add_metric(dataset: Any, run: str, fitted: Whitening) -> str:
    """Keep what was fitted for an index, for a state to name; gives its name."""
    metric = uuid.uuid4().hex
    _store(dataset).set(f"{run}.{metric}", fitted.to_dict())
    return metric


def load_metric(dataset: Any, run: str, metric: str | None) -> Whitening | None:
    """What was fitted for an index, or None."""
    stored = None if metric is None else _store(dataset).get(f"{run}.{metric}")
    return None if stored is None else Whitening.from_dict(stored)


def save_facts(dataset: Any, run: str, facts: dict[str, Any]) -> None:
    """Keep what else is to be known of an index."""
    _store(dataset).set(f"{run}.{ENGINE}", facts)


def load_facts(dataset: Any, run: str) -> dict[str, Any] | None:
    """What :func:`save_facts` kept for an index, or None."""
    return _store(dataset).get(f"{run}.{ENGINE}")


def copy(source: Any, clone: Any) -> None:
    """Note about the indexes of a clone of a dataset what they compare objects by; FiftyOne has copied their runs.

    What lies in a vector database is not copied, and is that of the first dataset alone.
    """
    for brain_key in clone._doc.brain_methods:
        run, own = run_of(source, brain_key), run_of(clone, brain_key)
        noted = load(source, run)
        if noted is not None:
            fitted = load_metric(source, run, noted.metric)
            metric = None if fitted is None else add_metric(clone, own, fitted)
            save(clone, own, State(metric, fitted_on=noted.fitted_on, learnt=noted.learnt))


def _store(dataset: Any) -> ExecutionStore:
    return ExecutionStore.create(STORE, dataset_id=dataset._doc.id)
