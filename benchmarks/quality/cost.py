"""What vectors cost beside detection alone, in the same process and on the same photos, taking turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from ultralytics import YOLO

from fiftyone_simfind.models import images
from fiftyone_simfind.models.yolo import MAX_OBJECTS, YoloEmbedder

BATCH = 8
SIZE = 640  # pixels

Batch = list[NDArray[np.uint8]]


class Cost(NamedTuple):
    """Medians over the rounds.

    Attributes:
        alone: seconds of CPU of one image in detection alone
        cpu: CPU time with vectors, over that
        wall: the same of wall time
        least, most: the range of ``cpu`` over the rounds
        share: what vectors add in CPU time, over that of the forward passes alone
    """

    alone: float
    cpu: float
    wall: float
    least: float
    most: float
    share: float


def measure(weights: Path, photos: Sequence[Path], *, rounds: int, batches: int, threads: int) -> Cost:
    """Time ``YoloEmbedder.detect`` and ultralytics' own ``predict`` of the same photos by turns."""
    embedder, alone = YoloEmbedder(str(weights), image_size=SIZE), YOLO(str(weights))
    forward = {"seconds": 0.0}
    work = alike(photos, batches)
    ways: list[Callable[[Batch], Any]] = [
        lambda batch: alone.predict(batch, imgsz=SIZE, conf=0.25, max_det=MAX_OBJECTS, verbose=False, save=False),
        embedder.detect,
    ]
    for way in ways:
        way(work[0])
    torch.set_num_threads(threads)  # ultralytics takes one away
    _time_forward(alone, forward)
    spent = []
    for number in range(rounds):
        forward["seconds"] = 0.0
        spent.append([*_round(ways, work, number), forward["seconds"]])
    table = np.array(spent)  # CPU alone, with vectors; wall alone, with vectors; CPU of the forward passes alone
    cpu, wall, share = table[:, 1] / table[:, 0], table[:, 3] / table[:, 2], (table[:, 1] - table[:, 0]) / table[:, 4]
    count = sum(map(len, work))
    middle = statistics.median
    return Cost(middle(table[:, 0]) / count, middle(cpu), middle(wall), cpu.min(), cpu.max(), middle(share))


def alike(photos: Sequence[Path], batches: int) -> list[Batch]:
    """Batches of photos of the commonest size, so that each is one forward pass."""
    by_shape: dict[tuple[int, ...], Batch] = {}
    for path in photos:
        image = images.read(str(path))
        by_shape.setdefault(image.shape, []).append(image)
    commonest = max(by_shape.values(), key=len)[: BATCH * batches]
    return [commonest[start : start + BATCH] for start in range(0, len(commonest) - BATCH + 1, BATCH)]


def _round(ways: list[Callable[[Batch], Any]], work: list[Batch], number: int) -> list[float]:
    """CPU and then wall seconds of each way; which goes first changes from batch to batch."""
    cpu, wall = [0.0] * len(ways), [0.0] * len(ways)
    for turn, batch in enumerate(work, number):
        for way in (0, 1) if turn % 2 else (1, 0):
            started = time.process_time(), time.perf_counter()
            ways[way](batch)
            cpu[way] += time.process_time() - started[0]
            wall[way] += time.perf_counter() - started[1]
    return [*cpu, *wall]


def _time_forward(yolo: YOLO, into: dict[str, float]) -> None:
    """Add the CPU seconds of every forward pass to ``into``."""
    network = yolo.predictor.model.model
    network.register_forward_pre_hook(lambda *_: into.update(started=time.process_time()))
    network.register_forward_hook(
        lambda *_: into.update(seconds=into["seconds"] + time.process_time() - into["started"])
    )
