"""The objects that ``benchmarks.quality`` searches for, and what vectors of them are compared with."""

from __future__ import annotations

import csv
import hashlib
import inspect
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import roi_align

from fiftyone_simfind import showroom
from fiftyone_simfind.models import images as files
from fiftyone_simfind.models import maps, roi, yolo
from fiftyone_simfind.models.yolo import YoloEmbedder
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import color
from fiftyone_simfind.numerics import vectors as vx

HUES, SATURATIONS, VALUES = 12, 6, 6  # bins of the colour histogram
SCENES = 120  # of the showroom
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])

Images = Sequence[NDArray[np.uint8]]
Boxes = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class ObjectSet:
    """The objects of a data set; row ``i`` of every array but ``boxes`` belongs to one object, image after image.

    Attributes:
        name: of the data set
        image_size: longest side of an image in the network, in pixels
        files: the images
        boxes: for each image ``(m, 4)`` relative ``[x, y, width, height]``
        images: ``(n,)`` the number of the object's image
        classes: ``(n,)`` what makes two objects alike
        areas: ``(n,)`` of the boxes as labelled, in pixels; NaN where an object is a whole image
        attributes: ``(n,)`` each, by name
    """

    name: str
    image_size: int
    files: list[Path]
    boxes: list[NDArray[np.float64]]
    images: NDArray[np.intp]
    classes: NDArray[np.str_]
    areas: NDArray[np.float64]
    attributes: dict[str, NDArray[np.str_]]


def fashion(data: Path) -> ObjectSet:
    """Product photos, each of them one object whose class is its type and colour."""
    lines = _lines(data / "fashion" / "labels.csv")
    paths = [data / "fashion" / line["file"] for line in lines]
    named = {name: np.array([line[name] for line in lines]) for name in ("class", "articleType", "baseColour")}
    classes = named.pop("class")
    areas = np.full(len(lines), np.nan)
    return ObjectSet("fashion", 320, paths, [WHOLE] * len(lines), np.arange(len(lines)), classes, areas, named)


def coco(data: Path) -> ObjectSet:
    """Photos with their labelled boxes, without crowds."""
    by_file: dict[str, list[dict[str, str]]] = {}
    for line in _lines(data / "coco" / "labels.csv"):
        if line["iscrowd"] != "1":
            by_file.setdefault(line["file"], []).append(line)
    paths = [data / "coco" / name for name in by_file]
    pixels = [np.array([[float(line[key]) for key in "xywh"] for line in found]) for found in by_file.values()]
    sides = [files.read(str(path)).shape[1::-1] * 2 for path in paths]
    return ObjectSet(
        "coco",
        640,
        paths,
        [found / side for found, side in zip(pixels, sides, strict=True)],
        np.repeat(np.arange(len(paths)), [len(found) for found in pixels]),
        np.array([line["class"] for found in by_file.values() for line in found]),
        np.concatenate([found[:, 2] * found[:, 3] for found in pixels]),
        {},
    )


def showroom_scenes(data: Path) -> ObjectSet:
    """Painted scenes with their true boxes; the class is which thing it is, the same in other scenes."""
    written = showroom.write(tempfile.mkdtemp(prefix="quality-"), SCENES)
    kept = [(path, placed) for path, placed in written if placed]
    return ObjectSet(
        "showroom",
        640,
        [path for path, _ in kept],
        [np.array([thing.bounding_box for thing in placed]) for _, placed in kept],
        np.repeat(np.arange(len(kept)), [len(placed) for _, placed in kept]),
        np.array([thing.identity.name for _, placed in kept for thing in placed]),
        np.concatenate([[np.nan] * len(placed) for _, placed in kept]),
        {},
    )


def _lines(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class Remembering:
    """An embedder that keeps what another one made, in a file, so that a run can be repeated quickly.

    Args:
        embedder: the other one
        folder: of the files; None keeps nothing
        about: what the vectors are of
        code: modules and classes that make them; when these change, nothing is remembered
    """

    def __init__(self, embedder: Any, folder: Path | None, about: str, code: Sequence[Any] = ()):
        self.name = embedder.name
        self.parts = getattr(embedder, "parts", [])
        self._embedder = embedder
        sources = "".join(inspect.getsource(part) for part in code)
        digest = hashlib.sha256(f"{self.name} {about} {sources}".encode()).hexdigest()[:16]
        self._file = folder / f"{about}-{digest}.npz" if folder else None
        self._known: dict[str, NDArray[np.float32]] = {}
        if self._file and self._file.exists():
            with np.load(self._file) as stored:
                split = np.split(stored["vectors"], np.cumsum(stored["counts"])[:-1])
                self._known = dict(zip(stored["keys"].tolist(), split, strict=True))

    def embed(self, images: Images, boxes: Boxes) -> list[NDArray[np.float32]]:
        """The vectors of some boxes, as the other embedder makes or made them."""
        keys = [self._key(image, found) for image, found in zip(images, boxes, strict=True)]
        new = [row for row, key in enumerate(keys) if key not in self._known]
        if new:
            made = self._embedder.embed([images[row] for row in new], [boxes[row] for row in new])
            self._known.update((keys[row], np.asarray(found)) for row, found in zip(new, made, strict=True))
        return [self._known[key] for key in keys]

    def save(self) -> None:
        """Write what was made to the file."""
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            vectors = list(self._known.values())
            counts = [len(found) for found in vectors]
            np.savez(self._file, keys=list(self._known), vectors=np.concatenate(vectors), counts=counts)

    @staticmethod
    def _key(image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> str:
        rounded = np.round(bx.as_boxes(boxes), 6).astype(np.float32).tobytes()
        return hashlib.sha256(image.tobytes() + rounded).hexdigest()


class Histogram:
    """Colour histograms of boxes: the roots of the shares, so that the dot product is Bhattacharyya's coefficient."""

    name = "HSV histogram"

    def embed(self, images: Images, boxes: Boxes) -> list[NDArray[np.float32]]:
        """For each image ``(n, HUES * SATURATIONS * VALUES)`` of length 1."""
        return [np.stack([self._of(image, box) for box in found]) for image, found in zip(images, boxes, strict=True)]

    def _of(self, image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float32]:
        height, width = image.shape[:2]
        x0, y0, x1, y1 = bx.to_absolute(bx.clip(box), (width, height))[0]
        crop = image[int(y0) : max(int(np.ceil(y1)), int(y0) + 1), int(x0) : max(int(np.ceil(x1)), int(x0) + 1)]
        hsv = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_BGR2HSV)
        bins, ends = [HUES, SATURATIONS, VALUES], [0, 180, 0, 256, 0, 256]
        counts = cv2.calcHist([hsv], [0, 1, 2], None, bins, ends).ravel()
        return np.sqrt(counts / counts.sum())


class Rivals:
    """Other vectors out of the same forward pass, side by side in one row; ``columns`` says which is where.

    * ``gaussian``: the default's, with nothing but the Gaussian around the centre to weigh the cells
    * ``neck``: the maps that enter the head, RoIAlign, the plain mean of the cells, each of length 1
    * ``backbone``: the same of the maps that the default uses
    """

    def __init__(self, model: str, image_size: int):
        self._yolo = YoloEmbedder(model, image_size=image_size)
        self.name = f"rivals of {self._yolo.name}"
        network = self._yolo._yolo.predictor.model.model
        self._neck = list(network.model[-1].f)
        maps.tap(network, self._neck, self._yolo._seen)
        self.columns: dict[str, slice] = {}
        self.embed([np.zeros((64, 64, 3), np.uint8)], [WHOLE])

    def embed(self, images: Images, boxes: Boxes) -> list[NDArray[np.float32]]:
        """For each image ``(n, d)``, all the rivals of its boxes."""
        found: dict[int, NDArray[np.float32]] = {}
        for rows, _, pool in self._yolo._passes(images, pooling=self._pool, conf=1.0):
            found.update(zip(rows, pool([boxes[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(images))]

    def _pool(self, seen: maps.Seen, levels: maps.Levels, size_wh: tuple[int, int], boxes: Boxes) -> list[Any]:
        with mock.patch.object(roi, "object_weights", _gaussian):
            made = {"gaussian": np.concatenate(roi.pool(seen, levels, size_wh, boxes))}
        backbone = [levels.middle.layer, *(level.layer for level in levels.late)]
        for name, layers in {"neck": self._neck, "backbone": backbone}.items():
            made[name] = vx.normalize(np.hstack([_mean(seen, layer, size_wh, boxes) for layer in layers]))
        stops = np.cumsum([found.shape[1] for found in made.values()]).tolist()
        self.columns = {name: slice(stop - made[name].shape[1], stop) for name, stop in zip(made, stops, strict=True)}
        return np.split(np.hstack(list(made.values())), np.cumsum([len(found) for found in boxes])[:-1])


def _gaussian(cells: torch.Tensor) -> torch.Tensor:
    """In place of the weights of an object's cells: those of its box, the same for all."""
    centre = roi._centre() / roi._centre().sum()
    return centre.expand(len(cells), -1, -1)


def _mean(seen: maps.Seen, layer: int, size_wh: tuple[int, int], boxes: Boxes) -> NDArray[np.float32]:
    """``(n, c)`` of length 1: the plain mean of a map over each box, by RoIAlign."""
    assert seen.pixels is not None
    feature = seen.layers[layer]
    stride = seen.pixels.shape[3] // feature.shape[3]
    inner, corners = roi._without_padding(feature, stride, size_wh, bx.clip(np.concatenate(boxes)))
    rows = np.repeat(np.arange(len(boxes)), [len(found) for found in boxes])
    places = torch.from_numpy(np.column_stack([rows, corners]).astype(np.float32))
    cells = roi_align(inner.float(), places, roi.BINS, 1 / stride, sampling_ratio=2, aligned=True)
    return vx.normalize(cells.mean(dim=(2, 3)).cpu().numpy())


def embed_all(embedder: Any, objects: ObjectSet, batch: int = 8) -> NDArray[np.float32]:
    """``(n, d)`` vectors of all objects."""
    vectors: list[NDArray[np.float32]] = []
    for start in range(0, len(objects.files), batch):
        some = slice(start, start + batch)
        vectors += embedder.embed([files.read(str(path)) for path in objects.files[some]], objects.boxes[some])
    return np.concatenate(vectors)


CODE = (roi, maps, color, yolo)  # that makes the default's vectors
SETS = {"fashion": fashion, "coco": coco, "showroom": showroom_scenes}
