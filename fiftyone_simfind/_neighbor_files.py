"""Tables of neighbours as files: CSV, JSON, Parquet, and NumPy's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.errors import OptionError, PackageError
from fiftyone_simfind.numerics.neighbors import NOTHING

if TYPE_CHECKING:
    from fiftyone_simfind._neighbor_table import NeighborTable

FORMAT = "simfind neighbours 1"
CHUNK = 10_000  # objects written to a text file at a time


def write_csv(table: NeighborTable, path: str | Path) -> None:
    """Write a row for each object and neighbour."""
    with _replacing(path) as file:
        for some in _chunks(table):
            text = table.frame(some).to_csv(index=False, header=some.start == 0, lineterminator="\n")
            file.write(text.encode("utf-8"))


def write_json(table: NeighborTable, path: str | Path) -> None:
    """Write a document with an entry for each object."""
    head = json.dumps({**table.facts, "objects": []}, ensure_ascii=False)
    with _replacing(path) as file:
        file.write(head.removesuffix("]}").encode("utf-8"))
        for some in _chunks(table):
            objects = ",\n".join(_entry(table, row) for row in range(some.start, some.stop))
            file.write(((",\n" if some.start else "\n") + objects).encode("utf-8"))
        file.write(b"]}\n")


def _entry(table: NeighborTable, row: int) -> str:
    near = table.neighbors[row] != NOTHING
    ids, scores = table.label_ids[table.neighbors[row][near]].tolist(), table.scores[row][near].tolist()
    content = {
        "label_id": str(table.label_ids[row]),
        "sample_id": str(table.sample_ids[row]),
        "label": table.labels[row],
        "neighbors": [{"label_id": label_id, "score": score} for label_id, score in zip(ids, scores, strict=True)],
    }
    return json.dumps(content, ensure_ascii=False)


def write_parquet(table: NeighborTable, path: str | Path) -> None:
    """Write a row for each object and neighbour.

    Raises:
        PackageError: polars is not installed
    """
    try:
        import polars as pl
    except ImportError as error:
        raise PackageError("writing Parquet needs polars, which is not installed; run: pip install polars") from error
    rows, ranks, others, scores = table.pairs(slice(0, len(table)))
    ids = pl.Series(table.label_ids.tolist(), dtype=pl.String)
    labels = pl.Series(table.labels.tolist(), dtype=pl.String)
    columns = {
        "label_id": ids.gather(rows),
        "label": labels.gather(rows),
        "rank": ranks,
        "neighbor_id": ids.gather(others),
        "neighbor_label": labels.gather(others),
        "score": scores,
    }
    with _replacing(path) as file:
        pl.DataFrame(columns).write_parquet(file)


def _chunks(table: NeighborTable) -> Iterator[slice]:
    for start in range(0, max(len(table), 1), CHUNK):
        yield slice(start, min(start + CHUNK, len(table)))


def write_arrays(table: NeighborTable, path: str | Path) -> None:
    """Write a table so that :func:`read_arrays` gives all of it back."""
    with _replacing(path) as file:
        np.savez(file, **table.to_arrays())  # type: ignore[arg-type]


def read_arrays(path: str | Path) -> dict[str, NDArray]:
    """The arrays of the table in a file.

    Raises:
        OptionError: the file holds something else
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        known = json.loads(str(arrays["facts"]))["format"] == FORMAT
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile):
        known = False
    if not known:
        raise OptionError(f'"{path}" holds no table of neighbours; give a file that NeighborTable.save wrote')
    return arrays


@contextmanager
def _replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of an earlier one only once it is complete."""
    target = Path(path)
    new = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with open(new, "wb") as file:
            yield file
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
