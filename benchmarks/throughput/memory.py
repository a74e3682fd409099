"""Whether the memory that ``detect`` takes depends on how many images there are."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from fiftyone_simfind import showroom
from fiftyone_simfind._types import Objects
from fiftyone_simfind.models.yolo import YoloEmbedder

SIZE = 64  # pixels
FILES = 500  # different images; each stands for many samples
OBJECTS = 20  # of an image
EVERY = 5000  # images between two rows of the table
SETTLED = 5000  # images after which memory is to stay as it is


class Twenty(YoloEmbedder):
    """The showroom's network, which is given 20 boxes an image to pool and to store in place of those it would find."""

    def __init__(self, engine: str) -> None:
        super().__init__(str(showroom.WEIGHTS), image_size=SIZE, engine=engine)
        self.name += f" {OBJECTS} boxes"
        corners = np.random.default_rng(51).uniform(0, 0.6, (OBJECTS, 2))
        self._boxes = np.hstack([corners, np.full((OBJECTS, 2), 0.35)])

    def detect(self, images: Any, **options: Any) -> list[Objects]:
        """The same boxes in every image."""
        vectors = self.embed(images, [self._boxes] * len(images))
        return [Objects(self._boxes, ["thing"] * OBJECTS, np.full(OBJECTS, 0.5), found) for found in vectors]


def table(images: int, folder: Path, engine: str) -> str:
    """Resident memory of this process over a run, in Markdown."""
    import fiftyone as fo

    import fiftyone_simfind as simfind

    paths = _write(folder)
    dataset = fo.Dataset()
    for start in range(0, images, EVERY):
        some = range(start, min(start + EVERY, images))
        dataset.add_samples([fo.Sample(filepath=paths[row % FILES]) for row in some], progress=False)
    gc.collect()
    rows: list[tuple[int, float]] = []

    def note(bar: Any) -> None:
        if bar.iteration >= len(rows) * EVERY or bar.iteration == images:
            rows.append((bar.iteration, psutil.Process().memory_info().rss / 2**20))
            print(f"| {bar.iteration:,} | {rows[-1][1]:,.0f} |", flush=True)

    print("\n| images | resident MB |\n| --- | --- |", flush=True)
    report = simfind.detect(dataset, model=Twenty(engine), progress=note)
    dataset.delete()
    first, most = next(mb for done, mb in rows if done >= min(SETTLED, images)), max(mb for _, mb in rows)
    return (
        f"{report.images:,} images, {report.objects:,} objects, {report.seconds:,.0f} s by {report.engine}; after "
        f"{SETTLED:,} images {first:,.0f} MB, at most {most:,.0f} MB, {most / first:.2f} times"
    )


def _write(folder: Path) -> list[str]:
    rng = np.random.default_rng(51)
    paths = [str(folder / f"{row}.jpg") for row in range(FILES)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (48, SIZE, 3), dtype=np.uint8)).save(path)
    return paths
