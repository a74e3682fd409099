"""What comparisons of models found: small tables, as text, Markdown, data frames and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _measures
from fiftyone_simfind._measures import Cutoffs

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ModelResult:
    """One model in a comparison.

    Attributes:
        model: its name
        dim: length of its vectors
        ms: milliseconds of wall time for an object, reading the images included; None for stored vectors
        model_ms: the part of it that the model took; None likewise
        scores: measures of each query, ``(q,)`` each, as in :class:`RetrievalReport`
    """

    model: str
    dim: int
    ms: float | None
    model_ms: float | None
    scores: dict[str, NDArray] = field(repr=False)

    @property
    def means(self) -> dict[str, float]:
        """The means over the queries: ``"P@5"``, ``"recall@5"``, ``"mAP@5"``, ``"CMC@5"``, ``"R-precision"`` ..."""
        return _measures.means(self.scores)


@dataclass(frozen=True)
class ComparisonReport:
    """Models beside each other, on the same objects and queries.

    Attributes:
        label_attr: the attribute that says what is alike
        cutoffs: the ranks at which was measured, ``k`` and ``map_k``
        objects: how many objects were searched
        left_out: objects that have no vector of one of the models
        label_ids: ``(q,)`` ids of the objects that were searched for
        results: one for each model, in the order in which they were given
        failures: reason by filepath, for images that could not be read or processed
    """

    label_attr: str
    cutoffs: Cutoffs
    objects: int
    left_out: int
    label_ids: NDArray[np.str_] = field(repr=False)
    results: list[ModelResult]
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def quality(self) -> list[str]:
        """The names of the measures in the table."""
        return [*(f"P@{k}" for k in self.cutoffs.k), f"mAP@{self.cutoffs.map_k}"]

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each model: name, length of its vectors, quality, and milliseconds for an object."""
        import pandas as pd

        rows = [
            {
                "model": result.model,
                "dim": result.dim,
                **{name: result.means[name] for name in self.quality},
                "ms/object": np.nan if result.ms is None else result.ms,
                "ms/object in the model": np.nan if result.model_ms is None else result.model_ms,
            }
            for result in self.results
        ]
        return pd.DataFrame(rows)

    def per_query(self, measure: str) -> pd.DataFrame:
        """A measure such as ``"AP@100"`` or ``"P@5"``, with a row for each query and a column for each model."""
        import pandas as pd

        columns = {result.model: result.scores[measure] for result in self.results}
        return pd.DataFrame(columns, index=pd.Index(self.label_ids, name="label_id"))

    def to_markdown(self) -> str:
        """The table for a README or an issue."""
        return markdown(self._cells())

    def plot(self, path: str | Path | None = None) -> Any:
        """Quality against time, a point for each model; a line for vectors that were there already.

        Args:
            path: image file to write

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._report_plots import plot_quality_and_time

        measure = self.quality[-1]
        points = [(result.model, result.ms, result.means[measure]) for result in self.results]
        return plot_quality_and_time(points, f'{measure}, by "{self.label_attr}"', path)

    def __str__(self) -> str:
        counts = [f'{len(self.label_ids):,} queries among {self.objects:,} objects by "{self.label_attr}"']
        if self.left_out:
            counts.append(f"{self.left_out:,} objects lack a vector of some model and are left out")
        return text(self._cells()) + "\n" + "; ".join(counts + _failed(self.failures))

    def _cells(self) -> list[list[str]]:
        rows = []
        for result in self.results:
            quality = [f"{result.means[name]:.3f}" for name in self.quality]
            rows.append([result.model, str(result.dim), *quality, _time(result.ms), _time(result.model_ms)])
        return [["model", "dim", *self.quality, "ms/object", "in the model"], *rows]


@dataclass(frozen=True)
class ChangeResult:
    """One change in a report on robustness.

    Attributes:
        change: its name
        objects: how many objects are still wholly inside the changed image
        same: the mean cosine of an object's vector to that of the same object before the change
        other: the mean cosine to that of another object: what unrelated objects score, the level to beat
        nearest: the share of objects to which, among all objects before the change, they are nearest themselves
    """

    change: str
    objects: int
    same: float
    other: float
    nearest: float


@dataclass(frozen=True)
class RobustnessReport:
    """How far vectors stay what they are when the image changes.

    Attributes:
        model: name of the model
        objects: how many objects were changed
        results: one for each change
        failures: reason by filepath, for images that could not be read or processed
    """

    model: str
    objects: int
    results: list[ChangeResult]
    failures: dict[str, str] = field(default_factory=dict)

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each change and the columns of :class:`ChangeResult`."""
        import pandas as pd

        return pd.DataFrame([vars(result) for result in self.results], columns=list(ChangeResult.__dataclass_fields__))

    def plot(self, path: str | Path | None = None) -> Any:
        """For each change, the cosine to the same object and to others, and how often it is found again.

        Args:
            path: image file to write

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._report_plots import plot_robustness

        return plot_robustness(self.results, f"{self.objects:,} objects, {self.model}", path)

    def __str__(self) -> str:
        rows = [
            [r.change, f"{r.objects:,}", f"{r.same:.3f}", f"{r.other:.3f}", f"{r.nearest:.3f}"] for r in self.results
        ]
        counts = [f"{self.objects:,} objects, {self.model}", *_failed(self.failures)]
        return text([["change", "objects", "same object", "others", "nearest"], *rows]) + "\n" + "; ".join(counts)


def text(cells: Sequence[Sequence[str]]) -> str:
    """A table in aligned columns, the first to the left and all others to the right."""
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in cells
    )


def markdown(cells: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, whose first row is the head."""
    rule = ["---", *["---:"] * (len(cells[0]) - 1)]
    rows = [" | ".join(cell.replace("|", "/") for cell in row) for row in [cells[0], rule, *cells[1:]]]
    return "\n".join(f"| {row} |" for row in rows)


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.2f}"


def _failed(failures: dict[str, str]) -> list[str]:
    """What to say about images that failed."""
    if not failures:
        return []
    path, reason = next(iter(failures.items()))
    return [f"{len(failures):,} images failed, the first is {path}: {reason}"]
