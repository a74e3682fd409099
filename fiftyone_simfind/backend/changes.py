"""What has changed in a dataset since a version of an index was made, and the version that comes after it.

Only samples that were modified since then are read: each of them carries the time of its last modification.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.backend import sidecar as sc
from fiftyone_simfind.backend.builder import BLOCK, Columns, Vectors
from fiftyone_simfind.backend.objects import Source
from fiftyone_simfind.backend.sidecar import Sidecar, Table
from fiftyone_simfind.numerics.codes import Codes
from fiftyone_simfind.numerics.ids import Ids, Lookup

MAX_DEAD = 0.1  # share of removed rows from which on the matrices are written anew ...
ALWAYS_CLEAN = 100_000  # ... and rows up to which they always are
MOST = 0.5  # share of modified samples from which on everything is better read again
SAME = 1e-6  # numbers of unit vectors that differ by less are the same

# Columns of a table that have a value for each row, but for those of the codes.
PER_ROW = ("ids", "sample_rows", "label_codes", "stamps", "edited", "norms", "alive")


@dataclass(frozen=True)
class Changes:
    """The next version of an index.

    Attributes:
        table: its rows: the old ones, of which some are no longer alive, and the added ones, whose codes are not yet
        added: ``(m, d)`` vectors of the added rows, of length 1
        new: ids of objects that get into the index
        moved: how many objects of the index have another vector now
        removed: how many objects leave the index
        unusable: how many vectors were read that have no direction
    """

    table: Table
    added: Vectors
    new: Ids
    moved: int
    removed: int
    unusable: int

    def __bool__(self) -> bool:
        return bool(len(self.added) or self.removed)


def compare(
    old: Sidecar, source: Source, dim: int, transform: Callable[[Vectors], Vectors], *, whole: bool = False
) -> Changes | None:
    """What has changed since a version was made; None where so much of it has that all is better made anew.

    Args:
        old: the version
        source: of the objects
        dim: length of the vectors, as they were stored
        transform: makes of them what the index compares
        whole: go through with it in any case; vectors of another length are then all different ones
    """
    samples, modified = source.versions(old.table.samples, old.table.modified)
    at = Lookup(old.table.samples).find(samples)
    touched = (at < 0) | (modified == 0)
    touched[at >= 0] |= old.table.modified[at[at >= 0]] != modified[at >= 0]
    if not whole and (not len(old.vectors) or not len(samples) or touched.mean() > MOST):
        return None
    old = old if len(old.vectors) else _as_wide(old, dim, transform)
    columns, found = Columns(), [np.empty((0, old.vectors.shape[1]), np.float32)]
    for batch in source.batches(samples[touched]):
        vectors = columns.take(batch, source.path, None)
        if len(vectors):
            if vectors.shape[1] != dim and not whole:
                return None
            same = vectors.shape[1] == dim
            found.append(transform(vectors) if same else np.full((len(vectors), found[0].shape[1]), 9, np.float32))
    return _next(old, samples, modified, touched, columns, np.concatenate(found))


def _as_wide(old: Sidecar, dim: int, transform: Callable[[Vectors], Vectors]) -> Sidecar:
    """An index without rows, as wide as what gets into it: made of no vectors at all it has a width of 0."""
    width = transform(np.ones((1, dim), np.float32)).shape[1]
    return replace(old, vectors=np.empty((0, width), np.float32))


def apply(folder: Path, old: Sidecar, changes: Changes) -> Sidecar:
    """Write the next version of an index. The old one stays, and stays readable, until the caller removes it."""
    table, alive = changes.table, changes.table.alive
    if (~alive).sum() > (MAX_DEAD * len(alive) if len(alive) > ALWAYS_CLEAN else 0):
        matrices, coded = sc.append(folder, sc.start(folder, old.matrices.dim), _living(old, changes))
        table = replace(table, **{name: getattr(table, name)[alive] for name in PER_ROW})
    else:
        matrices, tail = sc.append(folder, old.matrices, [changes.added] if len(changes.added) else [])
        head = old.coded
        coded = Codes(tail.values, *(np.concatenate(pair) for pair in zip(head[1:], tail[1:], strict=True)))
    return sc.read(
        folder, sc.write(folder, replace(table, scales=coded.scales, errors=coded.errors), matrices), check=False
    )


def _living(old: Sidecar, changes: Changes) -> Iterator[Vectors]:
    rows = np.flatnonzero(changes.table.alive[: len(old.vectors)])
    for start in range(0, len(rows), BLOCK):
        yield np.ascontiguousarray(old.vectors[rows[start : start + BLOCK]])
    if len(changes.added):
        yield changes.added


def _next(
    old: Sidecar,
    samples: Ids,
    modified: NDArray[np.int64],
    touched: NDArray[np.bool_],
    columns: Columns,
    vectors: Vectors,
) -> Changes:
    before, read = old.table, columns.table()
    good = ~np.isnan(vectors).any(axis=1)
    place = Lookup(samples)
    where = place.find(before.samples)  # of each old sample among the present ones
    kept = (where >= 0) & ~np.append(touched, True)[where]
    alive = before.alive & kept[before.sample_rows] if len(kept) else before.alive.copy()
    lost = np.flatnonzero(before.alive & ~alive)
    at = Lookup(before.ids[lost]).find(read.ids)
    known = _firsts(np.where(good, at, -1))
    row = np.where(known, lost[at] if len(lost) else 0, -1)
    same = known.copy()
    same[known] = np.abs(old.vectors[row[known]] - vectors[known]).max(axis=1, initial=0) <= SAME
    alive[row[same]] = True
    fresh = good & ~same
    own = place.find(read.samples)[read.sample_rows] if len(read.samples) else np.empty(0, int)
    classes, codes = _merge(before, read)
    table = Table(
        ids=np.concatenate([before.ids, read.ids[fresh]]),
        sample_rows=_put(where[before.sample_rows].astype(np.int32), row, same, fresh, own.astype(np.int32)),
        label_codes=_put(codes[: len(before.ids)], row, same, fresh, codes[len(before.ids) :]),
        stamps=_put(before.stamps, row, same, fresh, read.stamps),
        edited=_put(before.edited, row, same, fresh, read.edited),
        norms=_put(before.norms, row, same, fresh, read.norms),
        alive=np.concatenate([alive, np.ones(fresh.sum(), bool)]),
        scales=before.scales,
        errors=before.errors,
        samples=samples,
        modified=modified,
        classes=classes,
        **_pending(before, read, where, kept, place),
    )
    moved = int((fresh & known).sum())
    removed = int((before.alive & ~alive).sum()) - moved
    return Changes(
        table, vectors[fresh], read.ids[fresh & ~known], moved, removed, columns.unusable + int((~good).sum())
    )


def _firsts(at: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of some places occur for the first time, -1 never: objects of samples that were copied share their ids."""
    places, first = np.unique(at, return_index=True)
    mask = np.zeros(len(at), bool)
    mask[first[places >= 0]] = True
    return mask


def _put(
    before: NDArray, row: NDArray[np.intp], same: NDArray[np.bool_], fresh: NDArray[np.bool_], read: NDArray
) -> NDArray:
    """A column: its old values, those that stay with what was read last, and the fresh ones after them."""
    column = before.copy()
    column[row[same]] = read[same]
    return np.concatenate([column, read[fresh]])


def _merge(before: Table, read: Table) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """The classes of two tables as one, and the codes of the rows of both."""
    classes = np.union1d(before.classes.astype(str), read.classes.astype(str))
    codes = []
    for table in (before, read):
        place = np.append(np.searchsorted(classes, table.classes.astype(str)), -1)
        codes.append(place[table.label_codes].astype(np.int32))
    return classes, np.concatenate(codes)


def _pending(
    before: Table, read: Table, where: NDArray[np.intp], kept: NDArray[np.bool_], place: Lookup
) -> dict[str, NDArray]:
    stay = kept[before.pending_rows] if len(kept) else np.zeros(len(before.pending), bool)
    own = place.find(read.samples)[read.pending_rows] if len(read.samples) else np.empty(0, int)
    return {
        "pending": np.concatenate([before.pending[stay], read.pending]),
        "pending_rows": np.concatenate([where[before.pending_rows[stay]], own]).astype(np.int32),
        "pending_tried": np.concatenate([before.pending_tried[stay], read.pending_tried]),
    }
