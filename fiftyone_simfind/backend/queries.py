"""How an index answers the queries of Brain's interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fiftyone.core.fields as fof
import fiftyone.core.patches as fop
import numpy as np
from fiftyone.brain.similarity import DuplicatesMixin, SimilarityIndex
from numpy.typing import NDArray

from fiftyone_simfind.backend import scan, views
from fiftyone_simfind.backend import sidecar as sc
from fiftyone_simfind.backend.home import Home
from fiftyone_simfind.backend.objects import Source
from fiftyone_simfind.backend.rows import Rows, Vectors
from fiftyone_simfind.errors import OptionError, QueryError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import vectors as vx

AGGREGATIONS = {"mean": None, "post-mean": np.mean, "post-min": np.min, "post-max": np.max}
MAX_SELECTED = 100_000  # ids in a view: as MongoDB gets them they come near its limit of 16 MB
BLOCK = 256  # queries at a time that are compared with everything


class Queries(SimilarityIndex, DuplicatesMixin):
    """The queries of an index. Distances are ``1 - cosine similarity``; equal ones come in the order of the index."""

    _home: Home
    _dataset: Any
    _source: Source

    @property
    def home(self) -> Home:
        """Where the index lives."""
        return self._home

    @property
    def rows(self) -> Rows:
        """The index's rows, as the database says they are now."""
        return self.home.rows()

    @property
    def _of_objects(self) -> bool:
        return self.config.patches_field is not None

    def sort_by_similarity(
        self,
        query: Any,
        k: int | None = None,
        reverse: bool = False,
        aggregation: str = "mean",
        dist_field: str | None = None,
        _mongo: bool = False,
    ) -> Any:
        """The samples or objects of the current view in the order of their similarity to the query; see Brain's."""
        size = None if k is not None else self.index_size
        if size is not None and size > MAX_SELECTED:
            raise OptionError(
                f"k=None would put {size:,} ids into one view, more than MongoDB takes; give k={MAX_SELECTED} or less"
            )
        if dist_field is not None and self._of_objects and not isinstance(self.view, fop.PatchesView):
            parsed = self._parse_query(query)
            found = self._kneighbors(parsed, k=k, reverse=reverse, aggregation=aggregation, return_dists=True)
            self._write_distances(dist_field, *found)
            dist_field = None
        return super().sort_by_similarity(
            query, k=k, reverse=reverse, aggregation=aggregation, dist_field=dist_field, _mongo=_mongo
        )

    def _write_distances(self, name: str, samples: list[str], labels: list[str], distances: list[float]) -> None:
        path = f"{self._source.path.rpartition('.')[0]}.{name}"
        if self._dataset.get_field(path) is None:
            self._dataset.add_sample_field(path, fof.FloatField)
        columns = zip(samples, labels, distances, strict=True)
        self.view.set_label_values(path, [{"sample_id": s, "label_id": i, "value": float(d)} for s, i, d in columns])

    def _kneighbors(
        self,
        query: Any = None,
        k: int | None = None,
        reverse: bool = False,
        aggregation: str | None = None,
        return_dists: bool = False,
    ) -> Any:
        return self._sound(lambda rows: self._neighbors(rows, query, k, reverse, aggregation, return_dists))

    def _radius_neighbors(self, query: Any = None, thresh: float = 0.0, return_dists: bool = False) -> Any:
        return self._sound(lambda rows: self._within(rows, query, thresh, return_dists))

    def _sound(self, answer: Callable[[Rows], Any]) -> Any:
        """What a function makes of the rows; or of those made anew, after a copy turned out to be damaged."""
        rows = self.rows
        try:
            return answer(rows)
        except sc.DamagedError as error:
            return answer(self.home.mend(rows, error))

    def _parse_query(self, query: Any) -> Any:
        """Ids as they are, vectors as an array; words become vectors through the model that made those of the index."""
        parsed = super()._parse_query(query)
        if not isinstance(parsed, np.ndarray) or np.asarray(query).dtype.kind != "U":
            return parsed
        whitening = self.home.whitening()
        return parsed if whitening is None else whitening.beside_mean(parsed)

    def _neighbors(
        self, rows: Rows, query: Any, k: int | None, reverse: bool, aggregation: str | None, return_dists: bool
    ) -> Any:
        if query is None:
            if aggregation is not None:
                raise OptionError("aggregation is for queries, and none was given")
            return self._of_all(rows, return_dists, k=k, reverse=reverse)
        vectors, single = self._vectors(rows, query)
        if aggregation is None:
            found = [self._nearest(rows, vx.normalize(vector), k, reverse) for vector in vectors]
        elif aggregation not in AGGREGATIONS:
            raise OptionError(f'aggregation="{aggregation}" must be one of {tuple(AGGREGATIONS)}')
        elif AGGREGATIONS[aggregation] is None or len(vectors) == 1:
            found, single = [self._nearest(rows, vx.normalize(vectors.mean(axis=0)), k, reverse)], True
        else:
            found, single = [self._aggregated(rows, vectors, AGGREGATIONS[aggregation], k, reverse)], True
        return self._output(rows, found, single, return_dists)

    def _within(self, rows: Rows, query: Any, thresh: float, return_dists: bool) -> Any:
        if query is None:
            return self._of_all(rows, return_dists, thresh=thresh)
        vectors, single = self._vectors(rows, query)
        found = [self._nearest(rows, vx.normalize(v), None, False, min_score=1 - thresh) for v in vectors]
        return self._output(rows, found, single, return_dists)

    def _vectors(self, rows: Rows, query: Any) -> tuple[Vectors, bool]:
        """``(m, d)`` query vectors in the space of the index, and whether there is but one query, no list."""
        if isinstance(query, str):
            query, single = [query], True
        else:
            query = np.asarray(query)
            single = np.issubdtype(query.dtype, np.number) and query.ndim == 1
        if isinstance(query, np.ndarray) and np.issubdtype(query.dtype, np.number):
            return self._given(rows, np.atleast_2d(query)), single
        texts = list(query)
        found = rows.find(idx.from_hex(texts))
        if (found < 0).any():
            missing = [text for text, row in zip(texts, found, strict=True) if row < 0]
            raise QueryError(f'{missing} are not in the index "{self.key}"; see its label_ids or sample_ids')
        return rows.vectors[found] * rows.table.norms[found, None], single

    def _given(self, rows: Rows, vectors: NDArray) -> Vectors:
        whitening = self.home.whitening()
        dim = whitening.parts[-1].stop if whitening is not None else rows.vectors.shape[1]
        if vectors.shape[1] != dim:
            raise QueryError(f'query vectors have {vectors.shape[1]} numbers, those of the index "{self.key}" {dim}')
        if not vx.usable(vectors).all():
            raise QueryError("a query vector is all zeros or not finite, and so has no direction")
        return np.asarray(vectors, np.float32) if whitening is None else whitening.apply(vectors)

    def _mask(self, rows: Rows) -> NDArray[np.bool_] | None:
        return views.mask_of(rows, self.view, self.config.patches_field) if self.has_view else None

    def _nearest(
        self, rows: Rows, vector: Vectors, k: int | None, reverse: bool, min_score: float | None = None
    ) -> tuple[NDArray[np.intp], NDArray]:
        """Rows and distances, nearest first; ``reverse`` gives the nearest to the opposite vector."""
        k = len(rows.vectors) if k is None else k
        sign = -1 if reverse else 1
        found, scores = rows.nearest(sign * vector, k, eligible=self._mask(rows), min_score=min_score)
        return found, 1 - sign * scores

    def _aggregated(
        self, rows: Rows, vectors: Vectors, combine: Any, k: int | None, reverse: bool
    ) -> tuple[NDArray[np.intp], NDArray]:
        """Rows in the order of what their distances to several queries combine to."""
        mask = self._mask(rows)
        eligible = rows.living if mask is None else np.flatnonzero(mask)
        scores = np.stack([scan.score(rows.vectors, eligible, vx.normalize(vector)) for vector in vectors])
        distances = combine(1 - scores, axis=0)
        order = np.argsort(-distances if reverse else distances, kind="stable")[:k]
        return eligible[order], distances[order]

    def _of_all(self, rows: Rows, return_dists: bool, **options: Any) -> Any:
        """For each row of the current view, places in that view of its neighbours, itself not among them."""
        selected = self._selected(rows)[0]
        vectors = rows.vectors[selected]
        places, distances = [], []
        for start in range(0, len(selected), BLOCK):
            scores = np.clip(vectors[start : start + BLOCK] @ vectors.T, -1, 1)
            for row, of_row in enumerate(scores, start):
                found = _neighbors_of(row, 1 - of_row, **options)
                places.append(found)
                distances.append((1 - of_row)[found])
        return (places, distances) if return_dists else places

    def _selected(self, rows: Rows) -> tuple[NDArray[np.intp], int]:
        """The rows of the current view in its order, and how many of what it shows have none."""
        if not self.has_view:
            return rows.living, 0
        return views.rows_of(rows, self._curr_view, self.config.patches_field)

    def _output(self, rows: Rows, found: list[tuple[NDArray, NDArray]], single: bool, return_dists: bool) -> Any:
        samples: list = [rows.sample_ids(some).tolist() for some, _ in found]
        labels: Any = [rows.ids(some).tolist() for some, _ in found] if self._of_objects else None
        distances: list = [of_some.tolist() for _, of_some in found]
        if single:
            samples, labels, distances = samples[0], labels[0] if labels else None, distances[0]
        return (samples, labels, distances) if return_dists else (samples, labels)


def _neighbors_of(
    row: int, distances: NDArray, k: int | None = None, reverse: bool = False, thresh: float | None = None
) -> NDArray[np.intp]:
    others = np.delete(np.arange(len(distances)), row)
    if thresh is not None:
        return others[distances[others] <= thresh]
    costs = -distances[others] if reverse else distances[others]
    return others[np.argsort(costs, kind="stable")[:k]]
