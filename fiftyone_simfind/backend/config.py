"""The configuration of the backend ``"simfind"``, and what makes and removes its indexes."""

from __future__ import annotations

from typing import Any

from fiftyone.brain.similarity import Similarity, SimilarityConfig

from fiftyone_simfind.backend import home, state
from fiftyone_simfind.backend.index import SimfindSimilarityIndex
from fiftyone_simfind.backend.queries import AGGREGATIONS
from fiftyone_simfind.errors import CollectionError, OptionError


class SimfindSimilarityConfig(SimilarityConfig):
    """Configuration of the backend ``"simfind"``.

    Args:
        metric: ``"cosine"``, and no other
        whiten: compare vectors by what tells them apart (:mod:`fiftyone_simfind.numerics.whitening`)
        owns_field: whether the vector field was made by the index, and goes with it
        **kwargs: of every similarity backend
    """

    def __init__(self, metric: str = "cosine", whiten: bool = False, owns_field: bool = False, **kwargs: Any):
        if metric != "cosine":
            raise OptionError(f'metric="{metric}" must be "cosine" for the backend "simfind"')
        super().__init__(**kwargs)
        self.metric = metric
        self.whiten = whiten
        self.owns_field = owns_field

    @property
    def method(self) -> str:
        """The name of the backend."""
        return "simfind"

    @property
    def max_k(self) -> int | None:
        """Every k can be asked for."""
        return None

    @property
    def supports_least_similarity(self) -> bool:
        """The least similar can be asked for."""
        return True

    @property
    def supported_aggregations(self) -> tuple[str, ...]:
        """How several queries can become one."""
        return tuple(AGGREGATIONS)


class SimfindSimilarity(Similarity):
    """Makes indexes, and removes what they leave behind."""

    def initialize(self, samples: Any, brain_key: str | None) -> SimfindSimilarityIndex:
        """The index of a run, made from the vectors that its field has."""
        if samples._is_frames or samples._is_clips:
            raise CollectionError('the backend "simfind" indexes samples and their objects, not frames or clips')
        if self.config.embeddings_field is None:
            self.config.embeddings_field = f"{brain_key or 'simfind'}_embedding"
            self.config.owns_field = True
            self.update_run_config(samples, brain_key, self.config)
        index = SimfindSimilarityIndex(samples, self.config, brain_key, backend=self)
        index.name_model()
        return index

    def cleanup(self, samples: Any, brain_key: str) -> None:
        """Remove an index's copy on this machine and what the database says about it, when its run is deleted."""
        dataset = samples._root_dataset
        # Without an index, which cannot be had where its field was renamed.
        home.remove(dataset, state.run_of(dataset, brain_key))
        if self.config.owns_field:
            SimfindSimilarityIndex(dataset, self.config, brain_key, backend=self).cleanup()
