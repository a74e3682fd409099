"""Tables of neighbours kept with a dataset, as custom runs of FiftyOne's."""

from __future__ import annotations

from typing import Any

from fiftyone_simfind import _fields, _packing
from fiftyone_simfind._neighbor_table import NeighborTable
from fiftyone_simfind.errors import BrainRunError

METHOD = "simfind_neighbors"


def save(dataset: Any, table: NeighborTable) -> None:
    """Keep a table in place of an earlier one of its index, which is lost only once this is complete.

    The results of a run lie in MongoDB's GridFS, so that a table can be larger than a document.

    Raises:
        BrainRunError: a run that is not ours has the name
    """
    key = _run_key(table.brain_key)
    building = f"{key}_new"
    for name in (key, building):
        if not _is_ours(dataset, name) and dataset.has_run(name):
            raise BrainRunError(
                f'dataset "{dataset.name}" has a run "{name}" that simfind did not make, where the table of neighbours '
                f'is to be kept; rename it with dataset.rename_run("{name}", "...")'
            )
    dataset.register_run(building, dataset.init_run(method=METHOD, **table.facts), overwrite=True, cache=False)
    packed = {name: _packing.pack(array) for name, array in table.to_arrays().items()}
    results = dataset.init_run_results(building, arrays=packed)
    dataset.save_run_results(building, results, cache=False)
    if dataset.has_run(key):
        dataset.delete_run(key)
    dataset.rename_run(building, key)


def load(dataset: Any, brain_key: str) -> NeighborTable:
    """The table that was kept last for an index.

    Raises:
        BrainRunError: there is none
    """
    key = _run_key(brain_key)
    found = dataset.load_run_results(key, cache=False, load_view=False) if _is_ours(dataset, key) else None
    if found is None:
        raise BrainRunError(
            f'dataset "{dataset.name}" has no table of neighbours for the index "{brain_key}"; make one with '
            f'simfind.compute_neighbors(samples, brain_key="{brain_key}")'
        )
    return NeighborTable.from_arrays({name: _packing.unpack(packed) for name, packed in found.arrays.items()})


def _run_key(brain_key: str) -> str:
    return f"{brain_key}_neighbors"


def _is_ours(dataset: Any, key: str) -> bool:
    _fields.catch_up(dataset, key, kind="runs")
    return dataset.has_run(key) and dataset.get_run_info(key).config.method == METHOD
