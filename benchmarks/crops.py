"""How well a crop network finds objects of the query's class, by the way in which crops are cut.

Prints a table in Markdown. ``--data`` names a folder of data sets, each with a ``labels.csv`` of the columns file,
class and, where there are boxes, x, y, w and h in pixels; without boxes an object is a whole image.
"""

from __future__ import annotations

import argparse
import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.judge import judge, means

WAYS = [("squash", 0), ("squash", 0.1), ("context", 0), ("context", 0.1), ("letterbox", 0), ("letterbox", 0.1)]
BATCH = 8  # images


def main() -> None:
    args = parse_args()
    from fiftyone_simfind.models import load_embedder
    from fiftyone_simfind.models.crops import CropEmbedder

    network = load_embedder(args.crops)
    print("| data | crops | P@1 | P@5 | mAP@100 |\n| --- | --- | --- | --- | --- |")
    for folder in args.data:
        for fit, padding in WAYS:
            cut = CropEmbedder(network._features, args.crops, fit=fit, padding=padding)  # type: ignore[attr-defined]
            figures = means(judge(*embed(cut, folder, args.images)))
            print(
                f"| {folder.name} | {fit} {padding} | " + " | ".join(f"{value:.3f}" for value in figures) + " |",
                flush=True,
            )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crops", description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="folders of data sets")
    parser.add_argument("--crops", default="mobilenet_v2", help="crop network (default: mobilenet_v2)")
    parser.add_argument("--images", type=int, default=1200, help="of a data set, at most (default: 1200)")
    return parser.parse_args()


def photos(folder: Path, at_most: int) -> Iterator[tuple[NDArray[np.uint8], NDArray, list[str]]]:
    """Images with their relative boxes and classes; a seeded choice of them, without crowds."""
    from fiftyone_simfind.models.images import read

    by_file: dict[str, list[dict]] = {}
    with open(folder / "labels.csv", newline="") as file:
        for line in csv.DictReader(file):
            if line.get("iscrowd") != "1":
                by_file.setdefault(line["file"], []).append(line)
    files = list(by_file)
    random.Random(51).shuffle(files)
    for file in files[:at_most]:
        image = read(str(folder / file))
        side = (image.shape[1], image.shape[0]) * 2
        lines = by_file[file]
        boxes = [
            np.divide([float(line[key]) for key in "xywh"], side) if "x" in line else [0, 0, 1, 1] for line in lines
        ]
        yield image, np.array(boxes), [line["class"] for line in lines]


def embed(embedder: Any, folder: Path, at_most: int) -> tuple[NDArray[np.float32], NDArray, NDArray]:
    """``(n, d)`` vectors, classes and image numbers of all objects; one without a vector is like nothing."""
    vectors, labels, numbers = [], [], []
    batch: list = []
    for number, (image, boxes, classes) in enumerate(photos(folder, at_most)):
        batch.append((image, boxes))
        labels += classes
        numbers += [number] * len(classes)
        if len(batch) == BATCH:
            vectors += embedder.embed(*zip(*batch, strict=True))
            batch = []
    if batch:
        vectors += embedder.embed(*zip(*batch, strict=True))
    return np.nan_to_num(np.concatenate(vectors)), np.array(labels), np.array(numbers)


if __name__ == "__main__":
    main()
