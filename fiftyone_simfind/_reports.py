"""What an evaluation found, and what can be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _measures, _report_files
from fiftyone_simfind._measures import Classes, Cutoffs
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import retrieval

if TYPE_CHECKING:
    import pandas as pd

WITHOUT = "(none)"  # neighbours without the attribute, in the correspondence
OTHERS = "(others)"  # classes beyond max_classes, in the correspondence
MAX_CLASSES = 80


class Pair(NamedTuple):
    """An object that was searched for and one that was found, by their label ids; ``rank`` is 1 for the nearest."""

    query: str
    neighbor: str
    score: float
    rank: int


@dataclass(frozen=True)
class RetrievalReport:
    """How well objects find their like; row ``i`` of every array belongs to one query.

    Attributes:
        brain_key: name of the index
        label_attr: the attribute that says what is alike
        cutoffs: the ranks at which was measured, ``k`` and ``map_k``
        objects: how many objects were searched
        without_attribute: those of them that have no value in ``label_attr``
        without_relevant: those of them that have one, but to which nothing is relevant: no queries
        label_ids: ``(q,)`` ids of the objects that were searched for
        classes: their classes
        neighbors: ``(q, max(k))`` classes of their nearest objects, as numbers
        neighbor_ids: ``(q, max(k))`` S12, ids of these objects; empty where there are no more
        neighbor_scores: ``(q, max(k))`` float32 cosine similarities to them; NaN where there are no more
        relevant: ``(q,)`` how many objects are relevant to each
        first_hits: ``(q,)`` rank of the first relevant object; 0 when it lies beyond the last cut-off
        scores: measures of each query, ``(q,)`` each: ``"P@5"``, ``"recall@5"``, ``"AP@5"``, ``"hit@5"``,
            ``"R-precision"`` and so on
    """

    brain_key: str
    label_attr: str
    cutoffs: Cutoffs
    objects: int
    without_attribute: int
    without_relevant: int
    label_ids: NDArray[np.str_] = field(repr=False)
    classes: Classes = field(repr=False)
    neighbors: NDArray[np.intp] = field(repr=False)
    neighbor_ids: NDArray[np.bytes_] = field(repr=False)
    neighbor_scores: NDArray[np.float32] = field(repr=False)
    relevant: NDArray[np.intp] = field(repr=False)
    first_hits: NDArray[np.intp] = field(repr=False)
    scores: dict[str, NDArray] = field(repr=False)

    @property
    def queries(self) -> int:
        """How many objects were searched for."""
        return len(self.label_ids)

    @property
    def labels(self) -> list[Any]:
        """The class of each query."""
        return [self.classes.names[code] for code in self.classes.codes.tolist()]

    @property
    def means(self) -> dict[str, float]:
        """The means over the queries: ``"P@5"``, ``"recall@5"``, ``"mAP@5"``, ``"CMC@5"``, ``"R-precision"`` ..."""
        return _measures.means(self.scores)

    @property
    def cmc(self) -> NDArray[np.float64]:
        """The share of queries with a relevant object among the first 1, 2, ...: ``(depth,)``."""
        return (np.bincount(self.first_hits, minlength=self.cutoffs.depth + 1)[1:]).cumsum() / self.queries

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row for each query: ``label_id``, ``label``, ``relevant``, ``first_hit`` and its measures."""
        import pandas as pd

        facts = {
            "label_id": self.label_ids,
            "label": self.labels,
            "relevant": self.relevant,
            "first_hit": self.first_hits,
        }
        return pd.DataFrame({**facts, **self.scores})

    def per_class(self) -> pd.DataFrame:
        """A table with a row for each class that has queries: their number and the means of their measures."""
        by_class = self.to_dataframe().groupby("label", sort=True)
        table = by_class[list(self.scores)].mean().rename(columns=_measures.mean_name)
        table.insert(0, "queries", by_class.size())
        return table

    def correspondence(self, k: int | None = None, *, max_classes: int | None = None) -> pd.DataFrame:
        """What is taken for what: for the queries of each class, the share of their neighbours in each class.

        Every row sums to 1. The diagonal is precision@k, wherever ``k`` neighbours could be found.

        Args:
            k: how many nearest neighbours to look at; default is the largest ``k`` that was measured
            max_classes: only the classes with the most queries, the others as one

        Raises:
            OptionError: so many neighbours are not known
        """
        import pandas as pd

        names, places = self._largest(max_classes)
        found = self.neighbors[:, : self._depth(k)]
        found = np.where(found >= 0, places[found], found)
        shares = retrieval.class_shares(places[self.classes.codes], found, len(names))
        table = pd.DataFrame(shares, index=names, columns=[*names, WITHOUT])
        table = table[table.notna().all(axis=1)]
        return table if table[WITHOUT].any() else table.drop(columns=WITHOUT)

    def pairs(self, query_class: Any, neighbor_class: Any, k: int | None = None) -> list[Pair]:
        """The objects behind a cell of :meth:`correspondence`: queries of a class, and their neighbours of another.

        Args:
            query_class: class of the queries
            neighbor_class: class of their neighbours, ``"(none)"`` for those without one
            k: how many nearest neighbours to look at; default is the largest ``k`` that was measured

        Returns:
            a :class:`Pair` for each of them, the most similar first

        Raises:
            OptionError: there is no such class, or so many neighbours are not known
        """
        queries = self.classes.codes == self._code(query_class)
        without = neighbor_class == WITHOUT and WITHOUT not in self.classes.names
        wanted = retrieval.NOTHING if without else self._code(neighbor_class)
        rows, ranks = np.nonzero(queries[:, None] & (self.neighbors[:, : self._depth(k)] == wanted))
        scores = self.neighbor_scores[rows, ranks]
        order = np.lexsort((ranks, -scores))
        rows, ranks = rows[order], ranks[order]
        others = idx.to_hex(self.neighbor_ids[rows, ranks])
        columns = (self.label_ids[rows].tolist(), others.tolist(), scores[order].tolist(), (ranks + 1).tolist())
        return [Pair(*row) for row in zip(*columns, strict=True)]

    def _code(self, name: Any) -> int:
        names = self.classes.names
        if name not in names:
            some = ", ".join(repr(known) for known in names[:12]) + (", ..." if len(names) > 12 else "")
            raise OptionError(f'{name!r} is no class of "{self.label_attr}" here; they are {some}')
        return names.index(name)

    def _depth(self, k: int | None) -> int:
        """How many neighbours to look at."""
        most = max(self.cutoffs.k)
        if k is not None and not 1 <= k <= most:
            raise OptionError(f"k={k} must lie in [1, {most}]; run simfind.evaluate with a larger k")
        return most if k is None else k

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON types, so that it can be kept: under 300 bytes for each query at ``k=10``."""
        return _report_files.to_dict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> RetrievalReport:
        """The report that :meth:`to_dict` was called on.

        Raises:
            OptionError: this is no such thing
        """
        return cls(**_report_files.from_dict(stored))

    def _largest(self, max_classes: int | None) -> tuple[list[Any], NDArray[np.intp]]:
        """Names to show, and which of them stands for each class."""
        names, count = self.classes.names, len(self.classes.names)
        if max_classes is None or count <= max_classes:
            return names, np.arange(count)
        queries = np.bincount(self.classes.codes, minlength=count)
        kept = np.sort(np.argsort(-queries, kind="stable")[:max_classes])
        places = np.full(count, max_classes)
        places[kept] = np.arange(max_classes)
        return [*(names[place] for place in kept), OTHERS], places

    def worst(self, n: int = 10) -> list[str]:
        """The label ids of the ``n`` queries that did worst, worst first, for ``to_patches(...).select(ids)``.

        Worst is the lowest average precision at ``map_k``; among equals, where most objects could have been found.
        """
        order = np.lexsort((-self.relevant, self.scores[f"AP@{self.cutoffs.map_k}"]))
        return self.label_ids[order[:n]].tolist()

    def plot(self, path: str | Path | None = None, *, k: int | None = None, max_classes: int = MAX_CLASSES) -> Any:
        """The correspondence as a heat map.

        Args:
            path: image file to write
            k: as of :meth:`correspondence`
            max_classes: show the classes with the most queries, the others as one

        Returns:
            a matplotlib ``Figure``
        """
        from fiftyone_simfind._report_plots import plot_correspondence

        k = k or max(self.cutoffs.k)
        title = f'share of the {k} nearest, by "{self.label_attr}"' if k > 1 else f'nearest, by "{self.label_attr}"'
        return plot_correspondence(self.correspondence(k, max_classes=max_classes), title, path)

    def __str__(self) -> str:
        known = self.means
        ks = sorted({*self.cutoffs.k, self.cutoffs.map_k})
        lines = [f"{'':>11}" + "".join(f"{f'k={k}':>8}" for k in ks)]
        for kind in ("P", "recall", "mAP", "CMC"):
            values = [known.get(f"{kind}@{k}") for k in ks]
            lines.append(f"{kind + '@k':>11}" + "".join(f"{'' if v is None else f'{v:.3f}':>8}" for v in values))
        lines.append(f"{'R-precision':>11}{known['R-precision']:8.3f}")
        return "\n".join([*lines, self._counts()])

    def _counts(self) -> str:
        parts = [f'{self.queries:,} queries among {self.objects:,} objects by "{self.label_attr}"']
        if self.without_relevant:
            parts.append(f"{self.without_relevant:,} objects have nothing to find, so they are no queries")
        if self.without_attribute:
            parts.append(f'{self.without_attribute:,} objects have no "{self.label_attr}"')
        return "; ".join(parts)
