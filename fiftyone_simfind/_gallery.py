"""The objects that can be found: their ids, classes and unit vectors, and which of them are nearest under rules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields, _metric
from fiftyone_simfind._rules import Found, Rules
from fiftyone_simfind.backend import NAME, rows, views
from fiftyone_simfind.backend.rows import Rows
from fiftyone_simfind.backend.sidecar import DamagedError
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.numerics.whitening import Whitening

MAX_CACHED = 2
IN_MEMORY = "sklearn"  # Brain's own backend, whose vectors fit into memory

_cache: OrderedDict[tuple, Gallery] = OrderedDict()


@dataclass(frozen=True)
class Gallery:
    """Objects with vectors.

    Attributes:
        dataset_name: name of the dataset
        brain_key: name of the index
        patches_field: the field of the objects
        embeddings_field: the attribute of their vectors
        rows: the index, some rows of which may be removed objects'
        dim: length of a vector as the model gives it
        parts: what the numbers of a vector are, as the index compares it
        whitening: what the index does to vectors before it compares them; None when it takes them as they are
        index: the Brain index, where it is ours
    """

    dataset_name: str
    brain_key: str
    patches_field: str
    embeddings_field: str
    rows: Rows = field(repr=False)
    dim: int
    parts: list[Part]
    whitening: Whitening | None = field(repr=False)
    index: Any = field(default=None, repr=False)

    @cached_property
    def label_ids(self) -> NDArray[np.str_]:
        """``(n,)`` ids of the objects; row ``i`` of this and of all that follows belongs to one object."""
        return self.rows.ids(self.rows.living)

    @cached_property
    def sample_ids(self) -> NDArray[np.str_]:
        """``(n,)`` ids of the samples that hold them."""
        return self.rows.sample_ids(self.rows.living)

    @cached_property
    def labels(self) -> NDArray[np.object_]:
        """``(n,)`` class names, or None."""
        return self.rows.labels(self.rows.living)

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """``(n, d)`` of length 1, as the index compares them; mapped from a file where none was removed."""
        living = self.rows.living
        return self.rows.vectors if len(living) == len(self.rows.vectors) else self.rows.vectors[living]

    def within(self, samples: Any) -> NDArray[np.bool_] | None:
        """Which objects a view shows, ``(n,)`` bool, or None for all."""
        shown = self._shown(samples)
        return None if shown is None else shown[self.rows.living]

    def known(self, label_ids: Sequence[str]) -> Found:
        """Objects by id, with scores of 1, in the order asked for; those that are not in the index are left out."""
        found = self.rows.find(idx.from_hex(label_ids))
        found = found[found >= 0]
        return self._found(found, np.ones(len(found), np.float32))

    def rank(self, vector: NDArray[np.float32], k: int, rules: Rules) -> Found:
        """The objects most like a vector that the rules of a search allow.

        Args:
            vector: ``(d,)`` of length 1, as the index compares them
            k: at most this many
            rules: which objects may be found, and in which order
        """
        try:
            return self._rank(vector, k, rules)
        except DamagedError as error:
            if self.index is None:
                raise
            return replace(self, rows=self.index.home.mend(self.rows, error))._rank(vector, k, rules)

    def _rank(self, vector: NDArray[np.float32], k: int, rules: Rules) -> Found:
        eligible = self._eligible(rules)
        count = len(self.rows.living) if eligible is None else int(eligible.sum())
        # To the opposite vector all scores have the other sign, so the nearest to that one are the least similar.
        sign, least = (-1, None) if rules.reverse else (1, rules.min_score)
        asked = count if rules.reverse and rules.min_score is not None else k
        while True:
            found, scores = self.rows.nearest(sign * vector, asked, eligible=eligible, min_score=least)
            kept = self._kept(found, sign * scores, rules)[:k]
            if len(kept) == k or len(found) < asked or asked >= count:
                return self._found(found[kept], sign * scores[kept])
            asked *= 4

    def _kept(self, found: NDArray[np.intp], scores: NDArray[np.float32], rules: Rules) -> NDArray[np.intp]:
        """The places of those, nearest first, that can only be told from their scores or from those before them."""
        places = np.arange(len(found))
        if rules.min_score is not None:
            places = places[scores >= rules.min_score]
        if rules.one_per_image:
            first = np.unique(self.rows.table.sample_rows[found[places]], return_index=True)[1]
            places = places[np.sort(first)]
        return places

    def _eligible(self, rules: Rules) -> NDArray[np.bool_] | None:
        """Which rows may be found at all; None for all that there are."""
        table, masks = self.rows.table, [self._shown(rules.within)]
        if rules.labels is not None:
            masks.append(self.rows.has_label(rules.labels))
        if rules.not_labels:
            masks.append(~self.rows.has_label(rules.not_labels))
        if rules.not_ids:
            masks.append(~self._at(self.rows.find_all(idx.from_hex(rules.not_ids))))
        if rules.not_samples:
            excluded = np.isin(table.samples, idx.from_hex(rules.not_samples))
            masks.append(~excluded[table.sample_rows])
        given = [mask for mask in masks if mask is not None]
        return np.logical_and.reduce([table.alive, *given]) if given else None

    def _at(self, some: NDArray[np.intp]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self.rows.table.ids), bool)
        mask[some] = True
        return mask

    def _shown(self, samples: Any) -> NDArray[np.bool_] | None:
        if samples is None or _fields.is_whole(samples):
            return None
        return views.mask_of(self.rows, samples, self.patches_field)

    def _found(self, some: NDArray[np.intp], scores: NDArray[np.float32]) -> Found:
        ids, samples = self.rows.ids(some).tolist(), self.rows.sample_ids(some).tolist()
        vectors = np.asarray(self.rows.vectors[some])
        return Found(ids, samples, self.rows.labels(some).tolist(), scores.astype(np.float32), vectors)


class IndexFields(NamedTuple):
    """Where the objects of an index and their vectors are: a field, and an attribute of its objects."""

    patches_field: str
    embeddings_field: str


def load(samples: Any, brain_key: str) -> Gallery:
    """The objects of a similarity index, in memory or mapped into it.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects with a vector field
    """
    fields = index_fields(samples, brain_key)
    dataset = _fields.dataset_of(samples)
    if dataset.get_brain_info(brain_key).config.method == NAME:
        return _ours(dataset, brain_key, fields)
    fitted = _metric.version(samples, brain_key)
    key = (str(dataset._doc.id), brain_key, *fields, fitted, *_fields.last_change(samples))
    if key not in _cache:
        _cache[key] = _read(dataset, brain_key, fields, _metric.load(samples, brain_key, fitted))
    _cache.move_to_end(key)
    while len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)
    return _cache[key]


def rank_by(samples: Any, brain_key: str) -> Any:
    """What ranks the objects of an index: a :class:`Gallery`, or an engine that holds them.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects
    """
    config = index_config(samples, brain_key)
    if config.method in (NAME, IN_MEMORY):
        return load(samples, brain_key)
    from fiftyone_simfind import _engines

    return _engines.load(samples, brain_key)


def index_config(samples: Any, brain_key: str) -> Any:
    """The configuration of an index of objects.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects
    """
    dataset = _fields.dataset_of(samples)
    _fields.catch_up(dataset, brain_key)
    if brain_key not in dataset.list_brain_runs():
        runs = dataset.list_brain_runs(type="similarity")
        hint = f"its similarity indexes are {runs}" if runs else "run simfind.build_index(samples, patches_field) first"
        raise BrainRunError(f'"{brain_key}" is no brain run of dataset "{dataset.name}"; {hint}')
    config = dataset.get_brain_info(brain_key).config
    if not getattr(config, "patches_field", None) or config.type != "similarity":
        raise BrainRunError(
            f'brain run "{brain_key}" of dataset "{dataset.name}" is no similarity index of objects; make one with '
            "simfind.build_index(samples, patches_field)"
        )
    return config


def index_fields(samples: Any, brain_key: str) -> IndexFields:
    """The fields of an index of objects.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects with a vector field
    """
    config = index_config(samples, brain_key)
    if not config.embeddings_field:
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{_fields.dataset_of(samples).name}" keeps its vectors outside the '
            f'dataset; make one on a vector field with simfind.build_index(samples, "{config.patches_field}")'
        )
    return IndexFields(config.patches_field, config.embeddings_field.rpartition(".")[2])


def vector_fields(samples: Any, brain_key: str) -> IndexFields:
    """The fields that the vectors of an index were taken from, wherever the index keeps its own copy of them.

    Raises:
        BrainRunError: there is no such run, or it is no index of objects with a vector field
    """
    config = index_config(samples, brain_key)
    kept = _metric.load_engine(samples, brain_key)
    if kept is None:
        return index_fields(samples, brain_key)
    return IndexFields(config.patches_field, kept["embeddings_field"])


def our_index(samples: Any, brain_key: str) -> Any:
    """The Brain index of a run that is one of ours, completed if it was left half made.

    Raises:
        BrainRunError: it is another backend's
    """
    dataset = _fields.dataset_of(samples)
    config = index_config(dataset, brain_key)
    if config.method != NAME:
        raise BrainRunError(
            f'index "{brain_key}" of dataset "{dataset.name}" is kept by the backend "{config.method}"; this works on '
            f'those of "{NAME}": simfind.build_index(samples, "{config.patches_field}", brain_key="{brain_key}", '
            "overwrite=True)"
        )
    try:
        index = dataset.load_brain_results(brain_key)
    except _fields.LOST:  # whoever saved it last was stopped between two steps
        index = None
    if index is None:
        method = config.build()
        index = method.initialize(dataset, brain_key)
        method.save_run_results(dataset, brain_key, index)
    return index


def _ours(dataset: Any, brain_key: str, fields: IndexFields) -> Gallery:
    index = our_index(dataset, brain_key)
    now = index.home.state()
    found = index.home.rows(now)
    whitening = index.home.whitening(now if found.sidecar.version == now.version else None)
    if whitening is None and now.metric is not None and index.home.state() != now:
        return _ours(dataset, brain_key, fields)  # it has been committed anew meanwhile
    dim = whitening.parts[-1].stop if whitening else found.vectors.shape[1]
    path = f"{_fields.objects_path(dataset, fields.patches_field)}.{fields.embeddings_field}"
    parts = whitening.out if whitening else _metric.recorded_parts(dataset, path) or wh.whole(dim)
    return Gallery(dataset.name, brain_key, *fields, found, dim, list(parts), whitening, index)


def _read(dataset: Any, brain_key: str, fields: IndexFields, whitening: Whitening | None) -> Gallery:
    path = _fields.objects_path(dataset, fields.patches_field)
    table = _fields.object_table(dataset, path, fields.embeddings_field)
    good = vx.usable(table.vectors)
    vectors = table.vectors[good]
    dim = vectors.shape[1]
    parts = _metric.recorded_parts(dataset, f"{path}.{fields.embeddings_field}") or wh.whole(dim)
    return Gallery(
        dataset.name,
        brain_key,
        *fields,
        rows.in_memory(
            idx.from_hex(table.label_ids[good]),
            idx.from_hex(table.sample_ids[good]),
            table.labels[good].tolist(),
            whitening.apply(vectors) if whitening else vx.normalize(vectors),
        ),
        dim=dim,
        parts=whitening.out if whitening else parts,
        whitening=whitening,
    )
