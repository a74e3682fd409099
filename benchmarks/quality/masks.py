"""What is gained where more is known of an object than its upright box: its mask, or a rotated box around it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.data import SCENES
from benchmarks.quality.judge import Vectors, judge, means
from benchmarks.quality.vectors import white
from fiftyone_simfind import showroom
from fiftyone_simfind.models import images as files
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import masks as mk

BATCH = 8  # images
SEED = 51
STEEPEST, SMALLER = 45.0, 0.8  # of a turned scene: degrees, and its scale, so that the most of it stays inside
LEAST = 30  # pixels of a thing that is still there after the turn

Figures = NDArray[np.float64]


class Seen(NamedTuple):
    """A picture, BGR, and for each thing in it the mask of the whole picture and its name."""

    image: NDArray[np.uint8]
    masks: list[NDArray[np.bool_]]
    names: list[str]


def upright() -> list[Seen]:
    """The scenes of the showroom as they are."""
    written = showroom.write(tempfile.mkdtemp(prefix="masks-"), SCENES)
    return [_seen(files.read(str(path)), placed) for path, placed in written if placed]


def _seen(image: NDArray[np.uint8], placed: list[Any]) -> Seen:
    height, width = image.shape[:2]
    masks = []
    for thing in placed:
        left, top = round(thing.bounding_box[0] * width), round(thing.bounding_box[1] * height)
        rows, columns = thing.mask.shape
        masks.append(np.zeros((height, width), bool))
        masks[-1][top : top + rows, left : left + columns] = thing.mask
    return Seen(image, masks, [thing.identity.name for thing in placed])


def turned(scenes: list[Seen]) -> list[Seen]:
    """Scenes turned around their middle, each by another angle, so that upright boxes are loose."""
    rng = np.random.default_rng(SEED)
    return [_turn(scene, rng.uniform(-STEEPEST, STEEPEST)) for scene in scenes]


def _turn(scene: Seen, angle: float) -> Seen:
    height, width = scene.image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, SMALLER)
    image = np.asarray(cv2.warpAffine(scene.image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)
    masks = [cv2.warpAffine(mask.astype(np.uint8), matrix, (width, height)) > 0 for mask in scene.masks]
    left = [row for row, mask in enumerate(masks) if mask.sum() >= LEAST]
    return Seen(image, [masks[row] for row in left], [scene.names[row] for row in left])


def by_mask(mask: NDArray[np.bool_], corners: list[int]) -> mk.Grid:
    """What of an upright box is the object."""
    return mk.of_mask(mask, corners)


def by_rectangle(mask: NDArray[np.bool_], corners: list[int]) -> mk.Grid:
    """What of an upright box lies in the smallest rectangle around the object."""
    (x, y), (width, height), angle = cv2.minAreaRect(cv2.findNonZero(mask.astype(np.uint8)))
    # Pixels are points to OpenCV, but have a width of their own.
    return mk.of_rectangle([x + 0.5, y + 0.5, width + 1, height + 1, np.deg2rad(angle)], corners)


WAYS: dict[str, Callable[..., mk.Grid | None]] = {
    "boxes": lambda mask, corners: None,
    "masks": by_mask,
    "rotated boxes": by_rectangle,
}


def compare(model: Path, scenes: list[Seen]) -> dict[str, Figures]:
    """P@1, P@5 and mAP@100 of a search for the same thing: boxes alone, with more, and one sought among the other."""
    network: Any = load_embedder(str(model))
    made = _embed(network, scenes)
    names = np.array([name for scene in scenes for name in scene.names])
    numbers = np.repeat(np.arange(len(scenes)), [len(scene.names) for scene in scenes])
    found = {name: means(judge(white(vectors, network.parts), names, numbers)) for name, vectors in made.items()}
    boxes = made.pop("boxes")
    for name, vectors in made.items():
        both = white(np.concatenate([vectors, boxes]), network.parts)
        some, others = both[: len(boxes)], both[len(boxes) :]
        found[f"{name}, sought among boxes"] = means(judge(others, names, numbers, queries=some))
        found[f"boxes, sought among {name}"] = means(judge(some, names, numbers, queries=others))
    return found


def _embed(network: Any, scenes: list[Seen]) -> dict[str, Vectors]:
    """``(n, d)`` vectors of all things in each way, each scene seen once."""
    vectors: dict[str, list[Any]] = {name: [] for name in WAYS}
    for start in range(0, len(scenes), BATCH):
        some = scenes[start : start + BATCH]
        corners = [[_corners(mask) for mask in scene.masks] for scene in some]
        sizes = [scene.image.shape[1::-1] for scene in some]
        boxes = [
            np.tile(bx.to_relative(found, size), (len(WAYS), 1)) for found, size in zip(corners, sizes, strict=True)
        ]
        grids = [
            [way(*pair) for way in WAYS.values() for pair in zip(scene.masks, found, strict=True)]
            for scene, found in zip(some, corners, strict=True)
        ]
        for made in network.embed([scene.image for scene in some], boxes, grids):
            for name, part in zip(WAYS, np.split(made, len(WAYS)), strict=True):
                vectors[name].append(part)
    return {name: np.concatenate(found) for name, found in vectors.items()}


def _corners(mask: NDArray[np.bool_]) -> list[int]:
    """The upright box around an object: left, top, right, bottom in pixels."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
