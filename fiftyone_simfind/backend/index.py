"""A similarity backend for FiftyOne's Brain: exact cosine over a memory-mapped matrix.

It keeps the whole contract of Brain's own backends, so that the App and all that works on an index work on this one.
The vectors' home is a field of the dataset. What is searched is a copy beside FiftyOne's database, a version of which
belongs to each state of the index (:mod:`fiftyone_simfind.backend.home`).
"""

from __future__ import annotations

import logging
from typing import Any

import fiftyone.core.fields as fof
import fiftyone.zoo as foz
import numpy as np
from fiftyone.brain.similarity import DuplicatesMixin, SimilarityIndex
from numpy.typing import NDArray

from fiftyone_simfind.backend.home import Home
from fiftyone_simfind.backend.objects import Source, all_slices
from fiftyone_simfind.backend.queries import Queries
from fiftyone_simfind.backend.rows import Rows
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics.parts import Part

logger = logging.getLogger(__name__)

INFO_KEY = "simfind"  # under which a field says what made its vectors
ZOO = "zoo:"  # begins the names of models of FiftyOne's zoo


class SimfindSimilarityIndex(Queries):
    """An index; see Brain's ``SimilarityIndex`` for what its methods do.

    One score for every kind of query, whatever was asked before.
    """

    def __init__(self, samples: Any, config: Any, brain_key: str | None, backend: Any = None):
        self._dataset = samples._root_dataset
        self._source = Source(self._dataset, config.patches_field, config.embeddings_field)
        parts = [Part(*part) for part in self._recorded().get("parts") or []]
        self._home = Home(self._dataset, brain_key, self._source, whiten=config.whiten, parts=parts or None)
        SimilarityIndex.__init__(self, samples, config, brain_key, backend=backend)
        DuplicatesMixin.__init__(self)

    @classmethod
    def _from_dict(cls, d: dict, samples: Any, config: Any, brain_key: str) -> SimfindSimilarityIndex:
        index = cls(samples, config, brain_key)
        index.home.check_noted()
        index.home.rows()  # so that the first query takes no longer than others
        return index

    # What there is

    @property
    def is_external(self) -> bool:
        """The vectors lie in the dataset."""
        return False

    @property
    def sample_ids(self) -> NDArray[np.str_]:
        """The sample of each row of the full index."""
        rows = self.rows
        return rows.sample_ids(rows.living)

    @property
    def label_ids(self) -> NDArray[np.str_] | None:
        """The object of each row of the full index; None for an index of whole samples."""
        rows = self.rows
        return rows.ids(rows.living) if self._of_objects else None

    @property
    def total_index_size(self) -> int:
        """How many rows the full index has."""
        return len(self.rows.living)

    @property
    def index_size(self) -> int:
        """How many rows the current view leaves."""
        return len(self._selected(self.rows)[0])

    @property
    def missing_size(self) -> int | None:
        """How many objects, or samples, of the current view are not in the index; None for none."""
        return self._selected(self.rows)[1] or None

    @property
    def current_sample_ids(self) -> NDArray[np.str_]:
        """The sample of each row that the current view leaves."""
        rows = self.rows
        return rows.sample_ids(self._selected(rows)[0])

    @property
    def current_label_ids(self) -> NDArray[np.str_] | None:
        """The object of each row that the current view leaves."""
        rows = self.rows
        return rows.ids(self._selected(rows)[0]) if self._of_objects else None

    @property
    def _current_inds(self) -> NDArray[np.intp] | None:
        rows = self.rows
        return np.searchsorted(rows.living, self._selected(rows)[0]) if self.has_view else None

    def use_view(self, samples: Any, allow_missing: bool = True, warn_missing: bool = False) -> SimfindSimilarityIndex:
        """Restrict all that follows to what a view shows."""
        super().use_view(samples, allow_missing=allow_missing, warn_missing=warn_missing)
        if not allow_missing or warn_missing:
            self._check_missing(allow_missing)
        return self

    def _check_missing(self, allow_missing: bool) -> None:
        missing = self.missing_size
        if not missing:
            return
        message = f'{missing} of what the view shows are not in the index "{self.key}"'
        if not allow_missing:
            raise ValueError(f"{message}; add them, or use_view(..., allow_missing=True)")
        logger.warning(message)

    # What words and pictures become vectors with

    @property
    def supports_prompts(self) -> bool:
        """Whether words can be searched for: the model that made the vectors gives some for words."""
        return bool(self._supports_prompts or self.config.supports_prompts)

    def name_model(self) -> None:
        """Have the run name the model of FiftyOne's zoo that made the vectors, if one did.

        FiftyOne's own panel offers a search with words or an uploaded picture where the run does, and loads that model.
        """
        recorded, config = self._recorded(), self.config
        weights = recorded.get("weights")
        if weights is None:  # what was given with the index is all that is known
            return
        model = weights.removeprefix(ZOO) if weights.startswith(ZOO) else None
        if model is not None and model not in foz.list_zoo_models():
            model = None  # FiftyOne would take an address for a repository whose code it is to run
        prompts = recorded.get("prompts", config.supports_prompts) if model else None
        if (model, prompts) != (config.model, config.supports_prompts):
            config.model, config.supports_prompts = model, prompts
            self._model = None
            self.save_config()

    # What gets in and out

    def add_to_index(
        self,
        embeddings: Any,
        sample_ids: Any,
        label_ids: Any = None,
        overwrite: bool = True,
        allow_existing: bool = True,
        warn_existing: bool = False,
        reload: bool = True,
    ) -> None:
        """Add vectors, or replace those of the same ids: of an id that is given more than once the last one counts."""
        vectors = np.asarray(embeddings)
        ids = list(label_ids if self._of_objects else sample_ids)
        self._check_added(vectors, ids, list(sample_ids))
        last = {text: place for place, text in enumerate(ids)}
        known = self.rows.find(idx.from_hex(last)) >= 0
        if not overwrite and known.any():
            message = f"{known.sum()} of the ids are in the index already"
            if not allow_existing:
                raise ValueError(f"{message}, the first is {np.array(list(last))[known][0]}; give overwrite=True")
            if warn_existing:
                logger.warning("%s, and are left as they are", message)
            last = {text: place for (text, place), there in zip(last.items(), known, strict=True) if not there}
        self._write({text: (sample_ids[place], vectors[place]) for text, place in last.items()})
        present = self.home.sync().find(idx.from_hex(last)) >= 0
        lost = len(last) - int(present.sum())
        if lost:
            logger.warning("%d of %d vectors are not found: they are of no length, or of nothing here", lost, len(last))
        if reload:
            super().reload()

    def remove_from_index(
        self,
        sample_ids: Any = None,
        label_ids: Any = None,
        allow_missing: bool = True,
        warn_missing: bool = False,
        reload: bool = True,
    ) -> None:
        """Remove objects or whole samples from the index, and their vectors from the dataset."""
        rows = self.rows
        found = [np.empty(0, np.intp)]
        if label_ids is not None:
            found.append(self._known(rows, label_ids, allow_missing, warn_missing))
        if sample_ids is not None:
            found.append(self._rows_in(rows, sample_ids, allow_missing, warn_missing))
        gone = np.unique(np.concatenate(found))
        if not len(gone):
            return
        samples = rows.sample_ids(gone).tolist()
        self._write({text: (sample, None) for text, sample in zip(rows.ids(gone).tolist(), samples, strict=True)})
        self.home.sync()
        if reload:
            super().reload()

    def get_embeddings(
        self,
        sample_ids: Any = None,
        label_ids: Any = None,
        allow_missing: bool = True,
        warn_missing: bool = False,
    ) -> tuple[NDArray, NDArray[np.str_], NDArray[np.str_] | None]:
        """The vectors of some ids or of the full index, exactly as they lie in the dataset."""
        rows = self.rows
        if label_ids is not None:
            if not self._of_objects:
                raise ValueError("label_ids were given, but this index is of whole samples; give sample_ids")
            wanted = self._known(rows, label_ids, allow_missing, warn_missing)
        elif sample_ids is not None:
            wanted = self._rows_in(rows, sample_ids, allow_missing, warn_missing)
        else:
            wanted = rows.living
        stored = self._stored(rows, wanted)
        there = np.array([row in stored for row in wanted.tolist()], bool)
        kept = wanted[there]
        vectors = np.array([stored[row] for row in kept.tolist()])
        return vectors, rows.sample_ids(kept), rows.ids(kept) if self._of_objects else None

    def reload(self) -> None:
        """Bring the index in line with the vectors that the dataset has now."""
        self.home.sync()
        self.name_model()
        super().reload()

    def cleanup(self) -> None:
        """Remove the index's copy, what the database says about it, and a vector field that it made itself."""
        self.home.remove()
        if self.config.owns_field and self._dataset.get_field(self._source.path) is not None:
            self._dataset.delete_sample_field(self._source.path)

    def _check_added(self, vectors: NDArray, ids: list, sample_ids: list) -> None:
        if vectors.ndim != 2 or not len(vectors) == len(ids) == len(sample_ids):
            raise ValueError(
                f"embeddings of shape {vectors.shape} do not fit {len(sample_ids)} sample ids and {len(ids)} ids; "
                "give an (n, d) array and n of each"
            )
        dim = next((len(v) for v in self._stored(self.rows, self.rows.living[:1]).values()), vectors.shape[1])
        if vectors.shape[1] != dim:
            raise ValueError(f"embeddings have {vectors.shape[1]} numbers, but those of the index have {dim}")

    def _write(self, values: dict[str, tuple[str, NDArray | None]]) -> None:
        """Put vectors into the field, by id, or take them out."""
        path = self._source.path
        if self._dataset.get_field(path) is None:
            self._dataset.add_sample_field(path, fof.VectorField)
        if not values:
            return
        if self._of_objects:
            rows = [{"sample_id": sample, "label_id": i, "value": value} for i, (sample, value) in values.items()]
            all_slices(self._dataset).set_label_values(path, rows)
        else:
            plain = {i: value for i, (_, value) in values.items()}
            all_slices(self._dataset).set_values(path, plain, key_field="id")

    def _stored(self, rows: Rows, wanted: NDArray[np.intp]) -> dict[int, NDArray]:
        """The vectors of some rows as they lie in the dataset, by row; without those that are no longer there."""
        samples = np.unique(rows.table.samples[rows.table.sample_rows[wanted]])
        asked, found = set(wanted.tolist()), {}
        for batch in self._source.batches(None if len(samples) == len(rows.table.samples) else samples):
            for row, vector in zip(rows.find(batch.ids).tolist(), batch.vectors, strict=True):
                if row in asked and vector is not None:
                    found[row] = vector
        return found

    def _known(self, rows: Rows, ids: Any, allow_missing: bool, warn_missing: bool) -> NDArray[np.intp]:
        """The rows of some ids in their order."""
        texts = [ids] if isinstance(ids, str) else list(ids)
        found = rows.find(idx.from_hex(texts))
        self._say_missing([t for t, row in zip(texts, found, strict=True) if row < 0], allow_missing, warn_missing)
        return found[found >= 0]

    def _rows_in(self, rows: Rows, sample_ids: Any, allow_missing: bool, warn_missing: bool) -> NDArray[np.intp]:
        """The rows of some samples: in the order of the index, or for an index of whole samples in theirs."""
        if not self._of_objects:
            return self._known(rows, sample_ids, allow_missing, warn_missing)
        texts = [sample_ids] if isinstance(sample_ids, str) else list(sample_ids)
        wanted = idx.from_hex(texts)
        own = rows.table.samples[rows.table.sample_rows[rows.living]]
        self._say_missing(np.array(texts)[~np.isin(wanted, own)].tolist(), allow_missing, warn_missing)
        return rows.living[np.isin(own, wanted)]

    def _say_missing(self, missing: list[str], allow_missing: bool, warn_missing: bool) -> None:
        if missing and not allow_missing:
            raise ValueError(f'{len(missing)} ids are not in the index "{self.key}", the first is "{missing[0]}"')
        if missing and warn_missing:
            logger.warning('%d ids are not in the index "%s"', len(missing), self.key)

    def _recorded(self) -> dict[str, Any]:
        """What the field says about what made its vectors; nothing where simfind did not."""
        field = self._dataset.get_field(self._source.path)
        return ((field.info or {}).get(INFO_KEY) or {}) if field is not None else {}
