"""Objects and their vectors out of one forward pass of a YOLO network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fiftyone_simfind._types import Objects
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.models import maps, roi, weights
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import masks as mk

MAX_OBJECTS = 3000  # ultralytics keeps 300 objects of an image unless told otherwise
PROBE = 64  # side of the canvas on which the layers are looked at, in pixels

Boxes = NDArray[np.float64]
Vectors = NDArray[np.float32]


class YoloEmbedder:
    """A detector whose objects come with vectors: one network, one pass.

    ultralytics' own ``predict`` finds the objects, while hooks keep three of the network's feature maps for
    :func:`fiftyone_simfind.models.roi.pool`. Works with every detection head of ultralytics 8.4, end-to-end heads
    included, and with segment, pose and OBB models: what lies inside the masks of the former, and the rotated boxes of
    the latter, is the object. Safe to share between threads.

    Args:
        model: weights file or name, or a loaded ``ultralytics.YOLO``
        name: of a loaded one; default is made from its parameters
        image_size: longest side of an image in the network, in pixels
        device: torch device; default is the first GPU, or else the CPU

    Attributes:
        name: tells these vectors from those of other weights or another image size
        levels: the feature maps that are pooled
        parts: what the numbers of a vector are: ``"look"``, ``"shape"``, ``"kind"``
        dim: length of the vectors
        takes_masks: whether :meth:`embed` does
    """

    takes_masks = True

    def __init__(self, model: Any, *, name: str | None = None, image_size: int = 640, device: str | None = None):
        if image_size < PROBE:
            raise OptionError(f"image_size={image_size} is too small for YOLO; give at least {PROBE} pixels")
        if isinstance(model, (str, Path)):
            self._yolo, self.name = weights.load(str(model))
        else:
            self._yolo, self.name = model, name or f"{type(model).__name__} {weights.digest(model)}"
        weights.require_detector(self._yolo, self.name)
        self.name += f" {image_size}px {roi.RECIPE}"
        self._options = {"imgsz": image_size, "device": device, "verbose": False, "save": False}
        self._seen = maps.Seen()
        self._lock = threading.Lock()
        self.levels = self._set_up()
        self.parts = roi.parts(self.levels)
        self.dim = self.parts[-1].stop

    @property
    def class_names(self) -> list[str]:
        """The classes that the network knows, in the order of its outputs."""
        return list(self._yolo.names.values())

    def detect(
        self,
        images: Sequence[NDArray[np.uint8]],
        *,
        confidence_thresh: float = 0.25,
        classes: Sequence[str] | None = None,
    ) -> list[Objects]:
        """The objects of each image, as ``YOLO.predict`` finds them in it, and their vectors.

        Args:
            images: ``(h, w, 3)`` uint8, BGR
            confidence_thresh: leave out objects less sure than this, in [0, 1]
            classes: names of the classes to keep; default is all

        Returns:
            for each image its objects, most confident first

        Raises:
            OptionError: the network does not know one of the classes
        """
        found: dict[int, Objects] = {}
        for rows, results, pool in self._passes(images, conf=confidence_thresh, classes=self._class_ids(classes)):
            boxes = [_boxes(result) for result in results]
            masks = [_masks(result, xywh) for result, xywh in zip(results, boxes, strict=True)]
            for row, result, xywh, vectors in zip(rows, results, boxes, pool(boxes, masks), strict=True):
                found[row] = _objects(result, xywh, vectors)
        return [found[row] for row in range(len(images))]

    def embed(
        self, images: Sequence[NDArray[np.uint8]], boxes: Sequence[Boxes], masks: roi.Masks | None = None
    ) -> list[Vectors]:
        """The vectors of boxes that already exist.

        Args:
            images: ``(h, w, 3)`` uint8, BGR
            boxes: for each image ``(n, 4)`` relative ``[x, y, width, height]``
            masks: for each image ``n`` grids as :mod:`fiftyone_simfind.numerics.masks` makes them, which say what of
                each box is its object; None for boxes, or images, without one

        Returns:
            for each image ``(n, dim)`` float32 of length 1; NaN for a box with no area inside its image
        """
        vectors: dict[int, Vectors] = {}
        for rows, _, pool in self._passes(images, conf=1.0):
            known = None if masks is None else [masks[row] for row in rows]
            vectors.update(zip(rows, pool([boxes[row] for row in rows], known), strict=True))
        return [vectors[row] for row in range(len(images))]

    def describe_cells(
        self, image: NDArray[np.uint8], box: Sequence[float], mask: mk.Grid | None = None
    ) -> tuple[Vectors, NDArray[np.float32]]:
        """A grid over a box: the vector of each of its cells, made as that of a whole box, and how much it counts.

        Args:
            image: ``(h, w, 3)`` uint8, BGR
            box: relative ``[x, y, width, height]``; what lies outside the image is cut off
            mask: what of it is the object, as :meth:`embed` takes it

        Returns:
            ``(7, 7, dim)`` float32 of length 1, rows from top to bottom; and ``(7, 7)`` float32 of sum 1, the weights
            of the cells in the vector of the box, which are low on the background

        Raises:
            OptionError: the box has no area inside the image
        """
        boxes = bx.as_boxes(box)
        if not bx.has_area(boxes).all():
            raise OptionError(f"box={list(box)} has no area inside the image")
        ((_, _, pool),) = self._passes([image], pooling=roi.pool_cells, conf=1.0)
        ((vectors, weights),) = pool([boxes], [[mask]])
        return vectors[0], weights[0]

    def _passes(
        self, images: Sequence[NDArray[np.uint8]], pooling: Callable[..., list] = roi.pool, **options: Any
    ) -> Iterator[tuple[list[int], list, Callable[..., list]]]:
        """A forward pass for each shape of image: its rows, ultralytics' results, and the pooling of its maps.

        Only images of one shape share a pass: ultralytics pads a mixed batch to a square, and then finds other boxes
        than in each image alone.
        """
        shapes: dict[tuple[int, ...], list[int]] = {}
        for row, image in enumerate(images):
            shapes.setdefault(image.shape, []).append(row)
        for (height, width, _), rows in shapes.items():
            with self._lock:
                results = self._predict([images[row] for row in rows], max_det=MAX_OBJECTS, **options)
                seen = self._seen.take()
            yield rows, results, partial(pooling, seen, self.levels, (width, height))

    def _predict(self, images: list[NDArray[np.uint8]], **options: Any) -> list[Any]:
        return self._yolo.predict(images, **{**self._options, **options})

    def _set_up(self) -> maps.Levels:
        """Look at the maps of one small pass, and hook those to keep."""
        probe = [np.zeros((PROBE, PROBE, 3), np.uint8)]
        threads = torch.get_num_threads()
        self._predict(probe, imgsz=PROBE)
        torch.set_num_threads(threads)  # ultralytics takes one core away, from the whole process
        network = self._yolo.predictor.model.model
        with maps.all_maps(network) as seen:
            self._predict(probe, imgsz=PROBE)
        levels = maps.choose(network, seen, PROBE)
        maps.tap(network, [level.layer for level in levels.maps], self._seen)
        return levels

    def _class_ids(self, classes: Sequence[str] | None) -> list[int] | None:
        if classes is None:
            return None
        ids = {name: index for index, name in self._yolo.names.items()}
        unknown = sorted(set(classes) - set(ids))
        if unknown:
            known = ", ".join(list(ids)[:12])
            raise OptionError(f"{self.name} does not know the classes {unknown}; it knows {known}, ...")
        return [ids[name] for name in classes]


def _boxes(result: Any) -> Boxes:
    """A result's upright boxes, ``(n, 4)`` relative ``[x, y, width, height]`` clipped to the image."""
    height, width = result.orig_shape
    corners = result.boxes.xyxy if result.obb is None else result.obb.xyxy
    return bx.clip(bx.to_relative(corners.cpu().numpy(), (width, height)))


def _masks(result: Any, boxes: Boxes) -> list[mk.Grid] | None:
    """What of each box is its object; None where the network does not say."""
    size_wh = (result.orig_shape[1], result.orig_shape[0])
    if result.obb is not None:
        corners = bx.to_absolute(boxes, size_wh)
        return [mk.of_rectangle(*pair) for pair in zip(result.obb.xywhr.cpu().numpy(), corners, strict=True)]
    if result.masks is None:
        return None
    canvas = result.masks.data.shape[1:]
    content = bx.letterbox(size_wh, (canvas[1], canvas[0]))
    corners = bx.to_absolute(boxes, (content.width, content.height)) + [content.left, content.top] * 2
    return [mk.of_mask(*pair) for pair in zip(result.masks.data.cpu().numpy(), corners, strict=True)]


def _objects(result: Any, boxes: Boxes, vectors: Vectors) -> Objects:
    found = result.boxes if result.obb is None else result.obb
    labels = [result.names[int(index)] for index in found.cls.tolist()]
    return Objects(boxes, labels, found.conf.cpu().numpy().astype(np.float64), vectors)
