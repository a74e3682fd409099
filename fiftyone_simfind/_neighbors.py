"""The nearest objects of every object, as a table that is kept with the dataset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _gallery, _neighbor_runs
from fiftyone_simfind._gallery import Gallery
from fiftyone_simfind._neighbor_table import NeighborRules, NeighborTable
from fiftyone_simfind.errors import FieldError, OptionError
from fiftyone_simfind.numerics import neighbors as nb

NEIGHBORS = {"neighbors": "label ids of the nearest objects and their cosine similarities"}
BATCH = 10_000  # objects written at a time


def compute_neighbors(
    samples: Any,
    *,
    brain_key: str = "simfind",
    k: int = 10,
    scope: str = "all",
    exclude_same_image: bool = False,
    min_score: float | None = None,
    neighbors_field: str | None = None,
    progress: Any = None,
) -> NeighborTable:
    """The ``k`` nearest objects of every object, under the rules and with the scores of :func:`search`.

    The table is exact, and of the objects as the index holds them now. It is kept with the dataset in place of an
    earlier one of the index, and :func:`load_neighbors` gives it back::

        table = simfind.compute_neighbors(dataset, k=10)
        table.of(label_id)             # its neighbours, nearest first
        table.near_duplicates(0.98)    # pairs of objects that are almost the same
        table.outliers(50)             # objects unlike all others

    Args:
        samples: dataset or view; only the objects in it are asked about and found
        brain_key: name of the index
        k: at most this many neighbours; an object is never its own
        scope: ``"all"``, or only objects of the ``"same_class"`` or of ``"other_classes"``; with these two an object
            without a label has no neighbours
        exclude_same_image: leave out objects in the object's own image
        min_score: leave out neighbours that score less
        neighbors_field: new attribute of the detections for the label ids of their neighbours, a list each, nearest
            first; the attribute ``f"{neighbors_field}_scores"`` gets the scores. What an earlier call wrote there is
            replaced, and ``dataset.delete_sample_field(f"{patches_field}.detections.{neighbors_field}")`` removes it
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Raises:
        BrainRunError: there is no such index, or it is empty
        FieldError: ``neighbors_field`` names an attribute that holds something else
        OptionError: an option is out of range
    """
    _check(k, scope, min_score)
    gallery = _gallery.load(samples, brain_key)
    gallery.rows.require_some(brain_key, gallery.patches_field)
    if neighbors_field is not None:
        _require_free(samples, gallery, neighbors_field)
    inside = gallery.within(samples)
    rows = np.arange(len(gallery.label_ids)) if inside is None else np.flatnonzero(inside)
    least = None if min_score is None else float(min_score)
    rules = NeighborRules(k, scope, bool(exclude_same_image), least)
    neighbors, scores = _nearest(gallery, rows, rules, progress)
    table = NeighborTable(
        label_ids=gallery.label_ids[rows],
        sample_ids=gallery.sample_ids[rows],
        labels=gallery.labels[rows],
        neighbors=_places(neighbors, rows, len(gallery.label_ids)),
        scores=scores,
        brain_key=brain_key,
        patches_field=gallery.patches_field,
        dataset_name=gallery.dataset_name,
        rules=rules,
    )
    _neighbor_runs.save(_fields.dataset_of(samples), table)
    if neighbors_field is not None:
        _write(samples, table, neighbors_field)
    return table


def load_neighbors(samples: Any, *, brain_key: str = "simfind") -> NeighborTable:
    """The table that :func:`compute_neighbors` made last for an index, of the objects as they were then.

    Raises:
        BrainRunError: there is none
    """
    return _neighbor_runs.load(_fields.dataset_of(samples), brain_key)


def _check(k: int, scope: str, min_score: float | None) -> None:
    if not isinstance(k, int) or k < 1:
        raise OptionError(f"k={k!r} must be a whole number of at least 1")
    if scope not in nb.SCOPES:
        raise OptionError(f'scope="{scope}" must be one of {nb.SCOPES}')
    if min_score is not None and not -1 <= min_score <= 1:
        raise OptionError(f"min_score={min_score} must lie in [-1, 1], like every cosine similarity")


def _nearest(
    gallery: Gallery, rows: NDArray[np.intp], rules: NeighborRules, progress: Any
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    pairs = shown = 0
    with fo.ProgressBar(total=len(rows), iters_str="objects", progress=progress) as bar:

        def advance(more: int) -> None:
            nonlocal pairs, shown
            pairs += more
            bar.update(count=pairs // len(rows) - shown)
            shown = pairs // len(rows)

        return nb.nearest(
            gallery.vectors,
            rules.k,
            scope=rules.scope,
            classes=None if rules.scope == "all" else _codes(gallery.labels),
            groups=_codes(gallery.sample_ids.tolist()) if rules.exclude_same_image else None,
            rows=rows,
            min_score=rules.min_score,
            advance=advance,
        )


def _codes(values: Iterable[Any]) -> NDArray[np.intp]:
    """A number for each value, the same for equal ones; -1 for None."""
    known: dict[Any, int] = {}
    numbers = [nb.NOTHING if value is None else known.setdefault(value, len(known)) for value in values]
    return np.array(numbers, dtype=np.intp)


def _places(neighbors: NDArray[np.int32], rows: NDArray[np.intp], count: int) -> NDArray[np.int32]:
    """Rows of the gallery as rows of the table."""
    places = np.full(count + 1, nb.NOTHING, dtype=np.int32)  # the last one is for neighbours that are not there
    places[rows] = np.arange(len(rows))
    return places[neighbors]


def _require_free(samples: Any, gallery: Gallery, neighbors_field: str) -> None:
    """Raise unless the attributes may be filled with neighbours."""
    objects = _fields.objects_path(samples, gallery.patches_field)
    if not neighbors_field.isidentifier():
        raise OptionError(
            f'neighbors_field="{neighbors_field}" must be letters, digits and underscores, no digit first'
        )
    for name in (neighbors_field, f"{neighbors_field}_scores"):
        path = f"{objects}.{name}"
        if _fields.is_foreign(samples, path, NEIGHBORS):
            raise FieldError(
                f'"{name}" of "{objects}" holds something else than neighbours, which would be lost; choose another '
                "neighbors_field"
            )


def _write(samples: Any, table: NeighborTable, neighbors_field: str) -> None:
    objects = _fields.objects_path(samples, table.patches_field)
    dataset = _fields.dataset_of(samples)
    ids = f"{objects}.{neighbors_field}"
    for path, kind in ((ids, fo.StringField), (f"{ids}_scores", fo.FloatField)):
        if _fields.exists(dataset, path):
            _fields.clear_objects(dataset, path)
        else:
            dataset.add_sample_field(path, fo.ListField, subfield=kind)
            _fields.record(dataset, path, NEIGHBORS)
    for start in range(0, len(table), BATCH):
        some = range(start, min(start + BATCH, len(table)))
        near = [table.neighbors[row][table.neighbors[row] != nb.NOTHING] for row in some]
        places = list(zip(table.sample_ids[some].tolist(), table.label_ids[some].tolist(), near, some, strict=True))
        _fields.write_vectors(dataset, ids, [(s, i, table.label_ids[rows].tolist()) for s, i, rows, _ in places])
        scores = [(s, i, table.scores[row][: len(rows)].tolist()) for s, i, rows, row in places]
        _fields.write_vectors(dataset, f"{ids}_scores", scores)
