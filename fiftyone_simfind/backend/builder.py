"""Make the copy of an index from the detections, and bring it in line with them after they have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.backend import sidecar as sc
from fiftyone_simfind.backend.objects import Batch, Source
from fiftyone_simfind.backend.sidecar import Sidecar, Table, encode_labels
from fiftyone_simfind.errors import FieldError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import stamps as st
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics.ids import Ids

Vectors = NDArray[np.float32]
Transform = Callable[[Vectors], Vectors]

BLOCK = 8192  # vectors in memory at a time


@dataclass
class Columns:
    """Columns of a table, block by block; an object with a usable vector is a row, any other one is pending."""

    samples: list[Ids] = field(default_factory=list)
    modified: list[NDArray] = field(default_factory=list)
    ids: list[Ids] = field(default_factory=list)
    sample_rows: list[NDArray] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    stamps: list[NDArray] = field(default_factory=list)
    edited: list[NDArray] = field(default_factory=list)
    norms: list[NDArray] = field(default_factory=list)
    pending: list[Ids] = field(default_factory=list)
    pending_rows: list[NDArray] = field(default_factory=list)
    pending_tried: list[NDArray] = field(default_factory=list)
    unusable: int = 0
    count: int = 0

    def take(self, batch: Batch, path: str, dim: int | None) -> Vectors:
        """Note a batch, and get the vectors of its rows, as they were stored."""
        has = np.array([vector is not None for vector in batch.vectors], bool)
        vectors = _stack([vector for vector in batch.vectors if vector is not None], path, dim)
        good = vx.usable(vectors) if len(vectors) else np.empty(0, bool)
        self.unusable += int((~good).sum())
        rows, rest = np.flatnonzero(has)[good], np.flatnonzero(~has)
        offset = self.count
        self.count += len(batch.samples)
        self.samples.append(batch.samples)
        self.modified.append(batch.modified)
        self.ids.append(batch.ids[rows])
        self.sample_rows.append(batch.sample_rows[rows] + offset)
        self.labels.extend(batch.labels[row] for row in rows)
        self.stamps.append(batch.stamps[rows])
        self.edited.append(_edited(batch, rows))
        self.norms.append(np.linalg.norm(vectors[good], axis=1).astype(np.float32))
        self.pending.append(batch.ids[rest])
        self.pending_rows.append(batch.sample_rows[rest] + offset)
        self.pending_tried.append((batch.stamps[rest] < 0) & ~_edited(batch, rest))
        return vectors[good]

    def table(self) -> Table:
        """The table so far, with codes yet to come."""
        classes, codes = encode_labels(self.labels)
        rows = len(self.labels)
        return Table(
            ids=_join(self.ids, idx.pack([])),
            sample_rows=_join(self.sample_rows, np.empty(0)).astype(np.int32),
            label_codes=codes,
            stamps=_join(self.stamps, np.empty(0)).astype(np.int64),
            edited=_join(self.edited, np.empty(0)).astype(bool),
            norms=_join(self.norms, np.empty(0)).astype(np.float32),
            alive=np.ones(rows, bool),
            scales=np.zeros(rows, np.float32),
            errors=np.zeros(rows, np.float32),
            samples=_join(self.samples, idx.pack([])),
            modified=_join(self.modified, np.empty(0)).astype(np.int64),
            classes=classes,
            pending=_join(self.pending, idx.pack([])),
            pending_rows=_join(self.pending_rows, np.empty(0)).astype(np.int32),
            pending_tried=_join(self.pending_tried, np.empty(0)).astype(bool),
        )


def build(folder: Path, source: Source, fit: Callable[[Vectors], Transform]) -> tuple[Sidecar, int]:
    """A new version of an index, made from all vectors in the field; and how many of these have no direction.

    Args:
        folder: of the index
        source: of the objects
        fit: is given all vectors as they were stored, ``(n, d)`` on disk, and gives what makes of some of them what the
            index compares; rows that it makes NaN are left out
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns, raw_path = Columns(), folder / "vectors.raw"
    dim = None
    with open(raw_path, "wb") as raw:
        for batch in source.batches():
            vectors = columns.take(batch, source.path, dim)
            dim = vectors.shape[1] if len(vectors) else dim
            raw.write(vectors.data)
    table = columns.table()
    shape = (len(table.ids), dim or 0)
    stored = np.memmap(raw_path, np.float32, "r", shape=shape) if all(shape) else np.empty(shape, np.float32)
    try:
        made = _write(folder, table, stored, fit(stored))
    finally:
        del stored
        with suppress(OSError):
            raw_path.unlink()
    return made, columns.unusable + int((~made.table.alive).sum())


def _write(folder: Path, table: Table, stored: Vectors, transform: Transform) -> Sidecar:
    alive = table.alive.copy()

    def blocks() -> Iterator[Vectors]:
        for start in range(0, len(stored), BLOCK):
            block = transform(stored[start : start + BLOCK])
            bad = np.isnan(block).any(axis=1)
            alive[start : start + BLOCK] = ~bad
            block[bad] = 0
            yield np.ascontiguousarray(block)

    dim = transform(np.ones((1, stored.shape[1]), np.float32)).shape[1] if len(stored) else 0
    matrices, coded = sc.append(folder, sc.start(folder, dim), blocks())
    done = replace(table, alive=alive, scales=coded.scales, errors=coded.errors)
    return sc.read(folder, sc.write(folder, done, matrices), check=False)


def _edited(batch: Batch, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the box of each object is another one than its stamp was made of; without a stamp nobody knows."""
    boxes = [batch.boxes[row] or [np.nan] * 4 for row in rows]
    found = np.abs(batch.stamps[rows])
    return (found != 0) & ~st.same_box(found, st.stamps(np.array(boxes, float).reshape(-1, 4), ""))


def _stack(vectors: list[NDArray], path: str, dim: int | None) -> Vectors:
    lengths = sorted({len(vector) for vector in vectors} | ({dim} if dim else set()))
    if len(lengths) > 1:
        raise FieldError(
            f'"{path}" holds vectors of different lengths, {lengths}: embed the objects again, all with one model'
        )
    with np.errstate(over="ignore"):
        return np.array(vectors, np.float32).reshape(len(vectors), lengths[0] if lengths else 0)


def _join(arrays: list[NDArray], empty: NDArray) -> NDArray:
    return np.concatenate(arrays) if arrays else empty
