"""A similarity backend for FiftyOne's Brain: exact cosine over a memory-mapped matrix, under the name ``"simfind"``."""

from __future__ import annotations

from typing import Any

NAME = "simfind"
CONFIG = "fiftyone_simfind.backend.config.SimfindSimilarityConfig"


def register(brain: Any) -> None:
    """Let the module ``fiftyone.brain`` know the backend by its name."""
    brain.brain_config.similarity_backends.setdefault(NAME, {"config_cls": CONFIG})
