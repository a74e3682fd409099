"""A similarity backend for FiftyOne's Brain: exact cosine over a memory-mapped matrix, under the name ``"simfind"``."""

from __future__ import annotations

from typing import Any

NAME = "simfind"
CONFIG = "fiftyone_simfind.backend.config.SimfindSimilarityConfig"


def register(brain: Any) -> None:
    """Let the module ``fiftyone.brain`` know the backend by its name."""
    brain.brain_config.similarity_backends.setdefault(NAME, {"config_cls": CONFIG})


def follow_clones(dataset: Any) -> None:
    """Let the module ``fiftyone.core.dataset`` copy what is noted about the indexes of a dataset that is cloned."""
    if hasattr(dataset, "register_extras_cloner"):  # not every FiftyOne has it
        dataset.register_extras_cloner(_clone)


def _clone(source: Any, clone: Any, *_: Any) -> None:
    from fiftyone_simfind.backend import state

    state.copy(source, clone)
