"""A version of an index, ready to be searched, and shared by all that search it in this process."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock, Thread

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.backend import scan
from fiftyone_simfind.backend import sidecar as sc
from fiftyone_simfind.backend.scan import FloatScan, NumpyScan, Scan, Vectors
from fiftyone_simfind.backend.sidecar import Descriptor, Matrices, Sidecar, Table, encode_labels
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics.codes import Codes
from fiftyone_simfind.numerics.ids import Ids, Lookup

MANY = 10_000  # rows from which on they are better mapped
MAX_OPEN = 4  # indexes
MAX_VIEWS = 16  # views of which it is remembered what they show

_open: OrderedDict[tuple[Path, str], Rows] = OrderedDict()
_lock = Lock()


class Rows:
    """The rows of an index; all that the first search needs is done when they are opened.

    Attributes:
        sidecar: what they are read from
        table: what is known about each
        vectors: ``(n, d)`` float32 of length 1; rows that were removed are among them
        living: the rows that count
        views: what views show, by what tells them apart
    """

    def __init__(self, sidecar: Sidecar, chosen: Scan | None = None):
        self.sidecar = sidecar
        self.table = sidecar.table
        self.vectors = sidecar.vectors
        self.views: OrderedDict[tuple, tuple[NDArray, int]] = OrderedDict()
        self._scan: Scan = chosen or scan.choose(sidecar.vectors, sidecar.coded)
        self._thread: Thread | None = None
        self._all_alive = bool(self.table.alive.all())
        self.living = np.flatnonzero(self.table.alive)
        self._lookup = Lookup(self.table.ids if self._all_alive else self.table.ids[self.living])
        self._looked_at = (
            OnDisk(sidecar.vectors, sidecar.descriptor) if len(sidecar.vectors) >= scan.LARGE else self.vectors
        )

    def find(self, wanted: Ids) -> NDArray[np.intp]:
        """The row of each id, ``(m,)``, or -1."""
        at = self._lookup.find(wanted)
        return np.where(at >= 0, self.living[at] if len(self.living) else 0, -1)

    def find_all(self, wanted: Ids) -> NDArray[np.intp]:
        """The rows of some ids, which may be more: samples that were copied into a dataset share theirs."""
        return self.living[self._lookup.find_all(wanted)]

    def require_some(self, brain_key: str, patches_field: str) -> None:
        """Raise unless the index has objects.

        Raises:
            BrainRunError: it has none
        """
        if not len(self.living):
            raise BrainRunError(
                f'the index "{brain_key}" of "{patches_field}" is empty: no object had a vector when it was made or '
                f'refreshed. Run simfind.detect(samples, label_field="{patches_field}") or simfind.embed(samples, '
                f'"{patches_field}"), then simfind.refresh(samples, brain_key="{brain_key}")'
            )

    def ids(self, rows: NDArray[np.intp]) -> NDArray[np.str_]:
        """The ids of some rows."""
        return idx.to_hex(self.table.ids[rows])

    def sample_ids(self, rows: NDArray[np.intp]) -> NDArray[np.str_]:
        """The ids of their samples."""
        return idx.to_hex(self.table.samples[self.table.sample_rows[rows]])

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.object_]:
        """Their classes, or None."""
        names = np.array([*self.table.classes.tolist(), None], object)
        return names[self.table.label_codes[rows]]

    def has_label(self, labels: Sequence[str] | set[str] | frozenset[str]) -> NDArray[np.bool_]:
        """Which rows are of one of some classes, ``(n,)`` bool."""
        wanted = np.append(np.isin(self.table.classes, list(labels)), False)
        return wanted[self.table.label_codes]

    def nearest(
        self,
        query: Vectors,
        k: int,
        *,
        eligible: NDArray[np.bool_] | None = None,
        min_score: float | None = None,
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows most like a ``(d,)`` query of length 1, and their scores; of removed rows none.

        Raises:
            DamagedError: a row is not what was written
        """
        if self._thread is not None:
            self._thread.join()  # who asks again so soon asks often
        if not self._all_alive:
            eligible = self.table.alive if eligible is None else eligible & self.table.alive
        rows, scores = scan.nearest(self._looked_at, self._scan, query, k, eligible=eligible, min_score=min_score)
        if not self._sound(rows[:1000]):
            raise sc.DamagedError("a vector has changed on disk")
        self._hurry()
        return rows, scores

    def _hurry(self) -> None:
        """After the first answer of a large index have torch imported, with which the others take less than half."""
        if isinstance(self._scan, NumpyScan) and self._thread is None:
            self._thread = Thread(target=self._use_torch, name="simfind-torch")
            self._thread.start()

    def _use_torch(self) -> None:
        self._scan = scan.fastest(self.vectors, self.sidecar.coded)

    def _sound(self, rows: NDArray[np.intp]) -> bool:
        """Whether rows are of length 1; and as near their codes as ever, where these alone were read as a whole."""
        vectors, coded = self._looked_at[rows], self.sidecar.coded
        good = np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3
        if len(self.vectors) >= sc.LARGE and len(coded.values):
            apart = np.linalg.norm(vectors - coded.values[rows] * coded.scales[rows, None], axis=1)
            good &= apart <= coded.errors[rows]
        return bool(good.all())

    def remember(self, key: tuple, shown: tuple[NDArray, int]) -> None:
        """Keep what a view shows, until others were used more lately."""
        self.views[key] = shown
        while len(self.views) > MAX_VIEWS:
            self.views.popitem(last=False)


class OnDisk:
    """A matrix in a file of which few rows are looked at: mapping a row may map a megabyte around it.

    Args:
        mapped: the matrix
        descriptor: of the file that it is mapped from
    """

    def __init__(self, mapped: Vectors, descriptor: Descriptor | None):
        self._mapped, self._descriptor = mapped, descriptor
        self.shape = mapped.shape

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, rows: NDArray[np.intp]) -> Vectors:
        if self._descriptor is None or len(rows) > MANY or not hasattr(os, "pread"):
            return self._mapped[rows]
        size, number = 4 * self.shape[1], self._descriptor.number
        found = b"".join([os.pread(number, size, size * row) for row in rows.tolist()])
        if len(found) != size * len(rows):
            raise sc.DamagedError("the file of the vectors is shorter than it was")
        return np.frombuffer(found, np.float32).reshape(len(rows), self.shape[1])


def open_version(folder: Path, version: str) -> Rows:
    """The rows of a version, opened once in a process.

    Raises:
        DamagedError: it is missing on this machine, or damaged
    """
    with _lock:
        if (folder, version) not in _open:
            _put(folder, Rows(sc.read(folder, version)))
        _open.move_to_end((folder, version))
        return _open[folder, version]


def adopt(folder: Path, made: Sidecar) -> None:
    """Have a version that was written just now open, in place of an older one."""
    with _lock:
        _put(folder, Rows(made))


def _put(folder: Path, found: Rows) -> None:
    for key in [key for key in _open if key[0] == folder]:
        del _open[key]
    _open[folder, found.sidecar.version] = found
    while len(_open) > MAX_OPEN:
        _open.popitem(last=False)


def in_memory(ids: Ids, samples: Ids, labels: list[str | None], vectors: Vectors) -> Rows:
    """The rows of an index that is not ours: ids of ``n`` objects and of their samples, classes, unit vectors."""
    present, sample_rows = np.unique(samples, return_inverse=True)
    classes, codes = encode_labels(labels)
    nothing = np.zeros(len(ids), np.float32)
    table = Table(
        ids=ids,
        sample_rows=sample_rows.astype(np.int32),
        label_codes=codes,
        stamps=np.zeros(len(ids), np.int64),
        edited=np.zeros(len(ids), bool),
        norms=nothing + 1,
        alive=np.ones(len(ids), bool),
        scales=nothing,
        errors=nothing,
        samples=present,
        modified=np.zeros(len(present), np.int64),
        classes=classes,
        pending=ids[:0],
        pending_rows=sample_rows[:0].astype(np.int32),
        pending_tried=np.zeros(0, bool),
    )
    coded = Codes(np.empty((0, vectors.shape[1]), np.int8), nothing, nothing)
    made = Sidecar("", table, vectors, coded, Matrices("", len(ids), vectors.shape[1]))
    return Rows(made, FloatScan(vectors))


def forget(folder: Path) -> None:
    """Close what is open of an index."""
    with _lock:
        for key in [key for key in _open if key[0] == folder]:
            del _open[key]
