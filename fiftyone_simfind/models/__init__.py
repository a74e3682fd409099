"""Models that find objects and turn them into vectors."""

from __future__ import annotations

from fiftyone_simfind.models.registry import load_detector, load_embedder

__all__ = ["load_detector", "load_embedder"]
