"""The images and networks that are measured, and fresh datasets of them."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.throughput.turns import Way, Work

WARM_UP = 8  # images before a measurement, on which nothing is measured
FIELD = "objects"

OnDataset = Callable[[Any], object]


@dataclass(frozen=True)
class Material:
    """Images and the network that looks at them.

    Attributes:
        name: what it is called in tables
        files: the images
        weights: file of a YOLO network
        is_labelled: whether :func:`labels` knows what is in them
    """

    name: str
    files: list[Path]
    weights: str
    is_labelled: bool = False


def showroom(count: int) -> Material:
    """Painted scenes, and the network that the package carries."""
    from fiftyone_simfind import showroom

    written = showroom.write(Path(tempfile.mkdtemp(prefix="bench-")), count)
    return Material("showroom scenes, showroom.pt", [path for path, _ in written], str(showroom.WEIGHTS))


def photos(data: Path, weights: str, count: int) -> Material:
    """Labelled photos; ``data`` is a folder as tests take it from SIMFIND_TEST_DATA."""
    files = sorted((data / "data" / "coco" / "images").glob("*.jpg"))[:count]
    return Material(f"photos of COCO, {weights}", files, str(data / "weights" / weights), True)


def labels(data: Path) -> dict[str, list[tuple[str, list[float], bool]]]:
    """What is in each photo, by file name: class, ``[x, y, width, height]`` in pixels, and whether it is a crowd."""
    found: dict[str, list[tuple[str, list[float], bool]]] = {}
    with open(data / "data" / "coco" / "labels.csv", newline="") as file:
        for line in csv.DictReader(file):
            box = [float(line[key]) for key in "xywh"]
            found.setdefault(Path(line["file"]).name, []).append((line["class"], box, line["iscrowd"] == "1"))
    return found


@contextmanager
def dataset(files: list[Path], boxes: Mapping[str, Any] | None = None) -> Iterator[Any]:
    """A dataset of some images, with what is known of their boxes, that is gone afterwards."""
    import fiftyone as fo

    made = fo.Dataset()
    try:
        samples = [fo.Sample(filepath=str(path)) for path in files]
        for sample in samples if boxes else ():
            sample[FIELD] = boxes[sample.filepath].copy()  # type: ignore[index]
        made.add_samples(samples, progress=False)
        yield made
    finally:
        made.delete()


def found(material: Material) -> dict[str, Any]:
    """What the network finds, by file, as FiftyOne's ``Detections``."""
    from ultralytics import YOLO

    with dataset(material.files) as some:
        some.apply_model(YOLO(material.weights), label_field=FIELD, progress=False)
        return dict(zip(*some.values(["filepath", FIELD]), strict=True))


def on_dataset(material: Material, load: Callable[[], OnDataset], warm_up: int = WARM_UP, boxes: Any = None) -> Way:
    """Work on a fresh dataset of all images, after a warm-up on a few.

    Args:
        material: images
        load: untimed; gives the work on a dataset
        warm_up: on how many images
        boxes: what the datasets have of objects, as :func:`found` gives it
    """

    @contextmanager
    def start() -> Iterator[Work]:
        work = load()
        with dataset(material.files[:warm_up], boxes) as few:
            work(few)
        with dataset(material.files, boxes) as all_of_them:
            yield lambda: work(all_of_them)

    return Way(start, len(material.files))
