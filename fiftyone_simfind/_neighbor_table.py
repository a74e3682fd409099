"""The nearest objects of every object, as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _neighbor_files
from fiftyone_simfind.errors import OptionError, QueryError
from fiftyone_simfind.numerics.neighbors import NOTHING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Neighbor:
    """One of the nearest objects of an object.

    Attributes:
        label_id: id of the detection
        sample_id: id of the sample that holds it
        label: class name, or None
        score: cosine similarity in [-1, 1]
    """

    label_id: str
    sample_id: str
    label: str | None
    score: float


@dataclass(frozen=True)
class NeighborRules:
    """By which rules the neighbours were chosen; see :func:`fiftyone_simfind.compute_neighbors`."""

    k: int
    scope: str
    exclude_same_image: bool
    min_score: float | None


@dataclass(frozen=True, eq=False)
class NeighborTable:
    """The ``k`` nearest objects of each of ``n`` objects, nearest first, as the index held them when it was made.

    Attributes:
        label_ids: ``(n,)`` ids of the objects
        sample_ids: ``(n,)`` ids of the samples that hold them
        labels: ``(n,)`` class names, or None
        neighbors: ``(n, k)`` int32, for each object the rows of its neighbours; -1 where there are no more
        scores: ``(n, k)`` float32, their cosine similarities; NaN where there are no more
        brain_key: name of the index
        patches_field: the field of the objects
        dataset_name: name of the dataset
        rules: the rules by which the neighbours were chosen
    """

    label_ids: NDArray[np.str_] = field(repr=False)
    sample_ids: NDArray[np.str_] = field(repr=False)
    labels: NDArray[np.object_] = field(repr=False)
    neighbors: NDArray[np.int32] = field(repr=False)
    scores: NDArray[np.float32] = field(repr=False)
    brain_key: str
    patches_field: str
    dataset_name: str
    rules: NeighborRules

    def __len__(self) -> int:
        return len(self.label_ids)

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {label_id: row for row, label_id in enumerate(self.label_ids.tolist())}

    def of(self, label_id: str) -> list[Neighbor]:
        """The neighbours of an object, nearest first.

        Raises:
            QueryError: the object is not in the table
        """
        row = self._row_of.get(label_id)
        if row is None:
            raise QueryError(
                f'"{label_id}" is not among the {len(self):,} objects of this table; run simfind.compute_neighbors '
                "again if the object is newer, or give it samples that show the object"
            )
        found = self.neighbors[row] != NOTHING
        rows = self.neighbors[row][found]
        columns = (self.label_ids[rows], self.sample_ids[rows], self.labels[rows], self.scores[row][found])
        return [Neighbor(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def near_duplicates(self, min_score: float = 0.98) -> pd.DataFrame:
        """The pairs of objects that are this much alike, each once, best first.

        An object with more than ``k`` such partners has at least its nearest ``k`` here.

        Returns:
            columns ``label_id, sample_id, label, other_id, other_sample_id, other_label, score``

        Raises:
            OptionError: ``min_score`` is no cosine similarity
        """
        import pandas as pd

        if not -1 <= min_score <= 1:
            raise OptionError(f"min_score={min_score} must lie in [-1, 1], like every cosine similarity")
        rows, ranks = np.nonzero(self.scores >= min_score)
        both = np.sort(np.column_stack([rows, self.neighbors[rows, ranks]]), axis=1)
        pairs, first = np.unique(both, axis=0, return_index=True)
        scores = self.scores[rows, ranks][first]
        best = np.argsort(-scores, kind="stable")
        one, other = (self._columns(side) for side in pairs[best].T)
        others = {f"other_{name.removeprefix('label_')}": column for name, column in other.items()}
        return pd.DataFrame({**one, **others, "score": scores[best]})

    def outliers(self, count: int = 100) -> pd.DataFrame:
        """The objects unlike all others: those whose nearest neighbour is the least like them, strangest first.

        Before them come objects to which nothing was near enough for the rules, with a score of NaN. Objects without a
        label, which have no neighbours under a ``scope`` that compares labels, are then left out.

        Returns:
            columns ``label_id, sample_id, label, nearest_id, score``

        Raises:
            OptionError: ``count`` is no whole number of at least 1
        """
        import pandas as pd

        if not isinstance(count, int) or count < 1:
            raise OptionError(f"count={count!r} must be a whole number of at least 1")
        asked = np.arange(len(self))
        if self.rules.scope != "all":
            asked = asked[[label is not None for label in self.labels]]
        rows = asked[np.argsort(np.nan_to_num(self.scores[asked, 0], nan=-2.0), kind="stable")][:count]
        nearest = self.neighbors[rows, 0]
        nearest_ids = np.where(nearest == NOTHING, None, self._ids[nearest])
        return pd.DataFrame({**self._columns(rows), "nearest_id": nearest_ids, "score": self.scores[rows, 0]})

    def _columns(self, rows: NDArray[np.intp]) -> dict[str, NDArray]:
        return {"label_id": self._ids[rows], "sample_id": self.sample_ids[rows], "label": self.labels[rows]}

    @cached_property
    def _ids(self) -> NDArray[np.object_]:
        """The label ids as Python strings, so that a table which repeats them holds references."""
        return self.label_ids.astype(object)

    def to_dataframe(self) -> pd.DataFrame:
        """A row for each object and neighbour: ``label_id, label, rank, neighbor_id, neighbor_label, score``.

        The nearest neighbour has rank 1.
        """
        return self.frame(slice(0, len(self)))

    def frame(self, some: slice) -> pd.DataFrame:
        """The part of :meth:`to_dataframe` that belongs to some of the objects."""
        import pandas as pd

        rows, ranks, others, scores = self.pairs(some)
        return pd.DataFrame(
            {
                "label_id": self._ids[rows],
                "label": self.labels[rows],
                "rank": ranks,
                "neighbor_id": self._ids[others],
                "neighbor_label": self.labels[others],
                "score": scores,
            }
        )

    def pairs(self, some: slice) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Each neighbour of some objects: the object's row, the rank from 1, the neighbour's row, the score."""
        rows, places = np.nonzero(self.neighbors[some] != NOTHING)
        rows += some.start
        return rows, (places + 1).astype(np.int32), self.neighbors[rows, places], self.scores[rows, places]

    def to_csv(self, path: str | Path) -> None:
        """Write what :meth:`to_dataframe` gives as a CSV file with a header; memory stays small."""
        _neighbor_files.write_csv(self, path)

    def to_json(self, path: str | Path) -> None:
        """Write the rules, and each object with its neighbours, as one JSON document; memory stays small.

        ``{"dataset": ..., "brain_key": ..., "patches_field": ..., "rules": {...}, "objects": [{"label_id": ...,
        "sample_id": ..., "label": ..., "neighbors": [{"label_id": ..., "score": ...}, ...]}, ...]}``
        """
        _neighbor_files.write_json(self, path)

    def to_parquet(self, path: str | Path) -> None:
        """Write what :meth:`to_dataframe` gives as a Parquet file.

        Raises:
            PackageError: polars, which writes it, is not installed
        """
        _neighbor_files.write_parquet(self, path)

    def save(self, path: str | Path) -> None:
        """Write the table to a file, which :meth:`load` reads; an earlier one is replaced once this is complete."""
        _neighbor_files.write_arrays(self, path)

    @classmethod
    def load(cls, path: str | Path) -> NeighborTable:
        """The table that :meth:`save` wrote.

        Raises:
            OptionError: the file holds something else
        """
        return cls.from_arrays(_neighbor_files.read_arrays(path))

    @property
    def facts(self) -> dict[str, Any]:
        """Which table this is, as plain JSON types."""
        names = {"dataset": self.dataset_name, "brain_key": self.brain_key, "patches_field": self.patches_field}
        return {**names, "rules": asdict(self.rules)}

    def to_arrays(self) -> dict[str, NDArray]:
        """The table as arrays without Python objects; :meth:`from_arrays` reads them."""
        names = sorted({label for label in self.labels if label is not None})
        places = {name: place for place, name in enumerate(names)}
        return {
            "facts": np.array(json.dumps({"format": _neighbor_files.FORMAT, **self.facts, "labels": names})),
            "label_ids": self.label_ids.astype("S24"),
            "sample_ids": self.sample_ids.astype("S24"),
            "labels": np.array([places.get(label, NOTHING) for label in self.labels], dtype="<i4"),
            "neighbors": self.neighbors.astype("<i4"),
            "scores": self.scores.astype("<f4"),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> NeighborTable:
        """The table of which :meth:`to_arrays` gave the arrays."""
        facts = json.loads(str(arrays["facts"]))
        return cls(
            label_ids=arrays["label_ids"].astype("U24"),
            sample_ids=arrays["sample_ids"].astype("U24"),
            labels=np.array([*facts["labels"], None], dtype=object)[arrays["labels"]],
            neighbors=arrays["neighbors"].astype(np.int32),
            scores=arrays["scores"].astype(np.float32),
            brain_key=facts["brain_key"],
            patches_field=facts["patches_field"],
            dataset_name=facts["dataset"],
            rules=NeighborRules(**facts["rules"]),
        )
