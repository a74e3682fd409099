"""Boxes with vectors in the database, beside FiftyOne's way to the boxes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.throughput.data import FIELD, Material, OnDataset, on_dataset
from benchmarks.throughput.turns import Way

BASE = "apply_model, boxes only"


def ways(material: Material, engines: Sequence[str]) -> dict[str, Way]:
    """FiftyOne's way, by default and with workers and batches; and ours with each engine."""
    found = {
        BASE: on_dataset(material, lambda: apply_model(material)),
        f"{BASE}, batch_size=8, num_workers=2": on_dataset(
            material, lambda: apply_model(material, batch_size=8, num_workers=2)
        ),
    }
    for engine in engines:
        told = "simfind.detect, boxes and vectors" + (f', engine="{engine}"' if engine != "default" else "")
        found[told] = on_dataset(material, lambda engine=engine: detect(material, engine))  # type: ignore[misc]
    return found


def apply_model(material: Material, **options: Any) -> OnDataset:
    """FiftyOne's way, with a network that was loaded just now, as it is in its user's process."""
    from ultralytics import YOLO

    network = YOLO(material.weights)
    return lambda dataset: dataset.apply_model(network, label_field=FIELD, progress=False, **options)


def detect(material: Material, engine: str = "default", **options: Any) -> OnDataset:
    """Our way; the engine "default" is what one gets who names none."""
    import fiftyone_simfind as simfind

    chosen: dict[str, Any] = {} if engine == "default" else {"engine": engine}
    return lambda dataset: simfind.detect(
        dataset, label_field=FIELD, model=material.weights, progress=False, **chosen, **options
    )
