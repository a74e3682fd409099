"""Brain runs by name: none is lost before its successor stands."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from fiftyone_simfind import _engines, _fields
from fiftyone_simfind.errors import BrainRunError, OptionError

BUILDING = "_simfind_building"  # ends the name of a run until it is complete; one of a user's has another


def require_free(dataset: Any, key: str, overwrite: bool, *, option: str) -> None:
    """Raise unless a run may be made under a name.

    Raises:
        OptionError: the name is not one that FiftyOne takes
        BrainRunError: there is such a run, and ``overwrite`` is not set
    """
    if not key.isidentifier():
        raise OptionError(f'{option}="{key}" must be letters, digits and underscores, and not begin with a digit')
    _fields.catch_up(dataset, key)
    if key in dataset.list_brain_runs() and not overwrite:
        raise BrainRunError(
            f'dataset "{dataset.name}" already has a brain run "{key}"; replace it with overwrite=True, or choose '
            f"another {option}"
        )


def make(dataset: Any, key: str, build: Callable[[str], Any]) -> Any:
    """The results of ``build(key)``, which replaces an older run of that name only once it is complete."""
    runs = dataset.list_brain_runs()
    building = f"{key}{BUILDING}" if key in runs else key
    if building != key and building in runs:
        delete(dataset, building)
    try:
        results = build(building)
    except BaseException:
        if building in dataset.list_brain_runs():  # Brain registers a run before it builds it
            delete(dataset, building)
        raise
    if building == key:
        return results
    delete(dataset, key)
    dataset.rename_brain_run(building, key)
    return dataset.load_brain_results(key)


def delete(dataset: Any, key: str) -> None:
    """Delete a run, and what it keeps in a vector database, which Brain would leave there."""
    try:
        _engines.discard(dataset, key)
    except BrainRunError as error:
        warnings.warn(f'the vectors of index "{key}" stay where they are: {error}', stacklevel=2)
    dataset.delete_brain_run(key)
