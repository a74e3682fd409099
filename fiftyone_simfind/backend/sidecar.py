"""The memory-mapped copy of an index: made from the detections, and made again from them whenever it is not sound.

A folder on this machine holds, for each index, two matrices that only ever grow, ``*.f32`` and ``*.i8``, and one small
file per version of the index that says which of their rows count, ``*.npz``. A version is complete once its ``.npz``
has got its name, and it is the index's version once the database says so (:mod:`fiftyone_simfind.backend.state`).
Rows that were appended for a version that never came to be are written over by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import weakref
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.backend.scan import LARGE
from fiftyone_simfind.numerics import codes
from fiftyone_simfind.numerics.codes import Codes
from fiftyone_simfind.numerics.ids import Ids

FORMAT = 1
CHUNK = 1 << 24  # bytes that a checksum is taken of at a time


class DamagedError(Exception):
    """A copy on disk is missing, not whole, or not of this version; its text says which."""


@dataclass(frozen=True)
class Table:
    """What is known about the rows of an index besides their vectors; row ``i`` belongs to one object, or sample.

    Attributes:
        ids: ``(n,)`` S12 of the objects, or of the samples in an index of whole samples
        sample_rows: ``(n,)`` int32, the place of each row's sample in ``samples``
        label_codes: ``(n,)`` int32, the place of its class in ``classes``, -1 for none
        stamps: ``(n,)`` int64, what its vector was made of; 0 where that was not noted
        edited: ``(n,)`` bool, whether its box is another one than that
        norms: ``(n,)`` float32, the length of its vector before it was scaled to 1
        alive: ``(n,)`` bool; the others were removed
        scales: ``(n,)`` float32 of its codes
        errors: ``(n,)`` float32 of its codes
        samples: ``(s,)`` S12, all samples of the dataset
        modified: ``(s,)`` int64, when each was last modified, in milliseconds
        classes: ``(c,)`` the classes' names
        pending: ``(p,)`` S12 of the objects without a vector
        pending_rows: ``(p,)`` int32, places of their samples in ``samples``
        pending_tried: ``(p,)`` bool, whether a model has looked at them in vain, since they have no area
    """

    ids: Ids
    sample_rows: NDArray[np.int32]
    label_codes: NDArray[np.int32]
    stamps: NDArray[np.int64]
    edited: NDArray[np.bool_]
    norms: NDArray[np.float32]
    alive: NDArray[np.bool_]
    scales: NDArray[np.float32]
    errors: NDArray[np.float32]
    samples: Ids
    modified: NDArray[np.int64]
    classes: NDArray[np.str_]
    pending: Ids
    pending_rows: NDArray[np.int32]
    pending_tried: NDArray[np.bool_]


@dataclass(frozen=True)
class Matrices:
    """Rows on disk, as a version knows them: how many, and what their bytes sum up to."""

    name: str
    rows: int
    dim: int
    float_sum: int = 0
    code_sum: int = 0


class Descriptor:
    """A file that is open as long as this object is there."""

    def __init__(self, path: Path):
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self.number)


@dataclass(frozen=True)
class Sidecar:
    """One version of an index, mapped into memory; it stays readable when its files are removed.

    Attributes:
        version: its name
        table: of the rows
        vectors: ``(n, d)`` float32 of length 1, as the index compares them
        coded: the same in 8 bits a number
        matrices: the files that hold them
        descriptor: of the file of ``vectors``, to read rows without mapping them; None where they are in memory
    """

    version: str
    table: Table
    vectors: NDArray[np.float32]
    coded: Codes
    matrices: Matrices
    descriptor: Descriptor | None = None


def encode_labels(labels: list[str | None]) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    """``(c,)`` the classes' names in the order of the alphabet, and ``(n,)`` the place of each label's, -1 for None."""
    names = sorted({label for label in labels if label is not None})
    place = {name: row for row, name in enumerate(names)}
    codes = np.fromiter((-1 if label is None else place[label] for label in labels), np.int32, len(labels))
    return np.array(names, str), codes


def home(dataset_id: Any, run: str) -> Path:
    """The folder of an index, beside the one of FiftyOne's own database."""
    return Path(fo.config.database_dir).resolve().parent / "simfind" / str(dataset_id) / run


def read(folder: Path, version: str, *, check: bool = True) -> Sidecar:
    """A version of an index.

    Large matrices are not read as a whole: their codes are checked here, their rows where they are scored.

    Args:
        folder: of the index
        version: its name
        check: whether the matrices are what was written

    Raises:
        DamagedError: it is not there, or not what was written
    """
    try:
        with np.load(folder / f"{version}.npz", allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            table = Table(**{field.name: stored[field.name] for field in fields(Table)})
        if about["format"] != FORMAT:
            raise DamagedError(f"it is of format {about['format']}")
        matrices = Matrices(**about["matrices"])
        vectors = _map(folder / f"{matrices.name}.f32", np.float32, matrices)
        values = _map(folder / f"{matrices.name}.i8", np.int8, matrices)
        descriptor = Descriptor(folder / f"{matrices.name}.f32")
    except DamagedError:
        raise
    except Exception as error:  # there is no end to what a damaged file makes those raise that read it
        raise DamagedError(f"it cannot be read ({type(error).__name__}: {error})") from error
    large = matrices.rows >= LARGE
    if check and _sum(values if large else vectors) != (matrices.code_sum if large else matrices.float_sum):
        raise DamagedError("its bytes are not those that were written")
    return Sidecar(version, table, vectors, Codes(values, table.scales, table.errors), matrices, descriptor)


def write(folder: Path, table: Table, matrices: Matrices) -> str:
    """Complete a new version: its name, under which :func:`read` finds it from now on."""
    version = uuid.uuid4().hex
    about = json.dumps({"format": FORMAT, "matrices": vars(matrices)})
    unfinished = folder / f"{version}.part"
    with open(unfinished, "wb") as file:
        np.savez(file, about=np.array(about), **vars(table))
        _sync(file)
    os.replace(unfinished, folder / f"{version}.npz")
    return version


def start(folder: Path, dim: int) -> Matrices:
    """New matrices without rows."""
    folder.mkdir(parents=True, exist_ok=True)
    empty = Matrices(uuid.uuid4().hex, 0, dim)
    for ending in ("f32", "i8"):
        (folder / f"{empty.name}.{ending}").touch()
    return empty


def append(folder: Path, matrices: Matrices, blocks: Iterable[NDArray[np.float32]]) -> tuple[Matrices, Codes]:
    """Matrices with more rows, of length 1 each; and the new rows' codes, without their numbers."""
    added: list[Codes] = []
    rows, float_sum, code_sum = matrices.rows, matrices.float_sum, matrices.code_sum
    stem = folder / matrices.name
    with open(f"{stem}.f32", "r+b") as floats, open(f"{stem}.i8", "r+b") as values:
        floats.seek(rows * matrices.dim * 4)
        values.seek(rows * matrices.dim)
        for block in blocks:
            coded = codes.encode(block)
            float_sum, code_sum = zlib.crc32(block.data, float_sum), zlib.crc32(coded.values.data, code_sum)
            floats.write(block.data)
            values.write(coded.values.data)
            rows += len(block)
            added.append(coded._replace(values=coded.values[:0]))
        for file in (floats, values):
            file.truncate()
            _sync(file)
    grown = Matrices(matrices.name, rows, matrices.dim, float_sum, code_sum)
    if not added:
        return grown, codes.encode(np.empty((0, matrices.dim), np.float32))
    return grown, Codes(*(np.concatenate(column) for column in zip(*added, strict=True)))


def rename(folder: Path, made: Sidecar, version: str) -> Sidecar:
    """The same under the name of another version, which it takes the place of."""
    os.replace(folder / f"{made.version}.npz", folder / f"{version}.npz")
    return replace(made, version=version)


def stand(table: Table) -> str | None:
    """A text that is the same for the same samples as they were last modified; None where that is not known."""
    if not table.modified.all():
        return None
    order = np.argsort(table.samples)
    return hashlib.sha1(table.samples[order].tobytes() + table.modified[order].tobytes()).hexdigest()


def tidy(folder: Path, keep: Sidecar | None) -> None:
    """Remove all files that a version does not need; those who have them open keep them."""
    kept = {f"{keep.version}.npz", f"{keep.matrices.name}.f32", f"{keep.matrices.name}.i8"} if keep else set()
    for path in folder.glob("*"):
        if path.suffix in (".npz", ".f32", ".i8", ".part", ".raw") and path.name not in kept:
            path.unlink(missing_ok=True)


def _map(path: Path, dtype: type, matrices: Matrices) -> NDArray:
    shape = (matrices.rows, matrices.dim)
    if path.stat().st_size < matrices.rows * matrices.dim * np.dtype(dtype).itemsize:
        raise DamagedError(f"{path.name} is too short")
    if not matrices.rows or not matrices.dim:
        return np.empty(shape, dtype)
    # Copy-on-write: torch wants memory that it might write to.
    return np.memmap(path, dtype, "c", shape=shape)


def _sum(matrix: NDArray) -> int:
    flat, found = matrix.reshape(-1).view(np.uint8), 0
    for begin in range(0, flat.size, CHUNK):
        found = zlib.crc32(flat[begin : begin + CHUNK].data, found)
    return found


def _sync(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
