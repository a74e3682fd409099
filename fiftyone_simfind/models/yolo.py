"""Objects and their vectors out of one forward pass of a YOLO network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from ultralytics.data.augment import LetterBox
from ultralytics.utils.checks import check_imgsz

from fiftyone_simfind._types import Objects
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.models import engines, heads, maps, roi, weights
from fiftyone_simfind.models.engines.base import Source
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.numerics import masks as mk

MAX_OBJECTS = 3000  # ultralytics keeps 300 objects of an image unless told otherwise
PROBE = 64  # side of the canvas on which the layers are looked at, in pixels

Boxes = NDArray[np.float64]
Vectors = NDArray[np.float32]


class Canvas(NamedTuple):
    """An image as a YOLO network takes it.

    Attributes:
        pixels: ``(h, w, 3)`` uint8 BGR, scaled and padded
        size_wh: of the image before, in pixels
    """

    pixels: NDArray[np.uint8]
    size_wh: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels; only canvases of one shape can share a pass."""
        return self.pixels.shape[0], self.pixels.shape[1]


Images = Sequence[NDArray[np.uint8] | Canvas]


class YoloEmbedder:
    """A detector whose objects come with vectors: one network, one pass.

    ultralytics makes the objects of what the network puts out, and :func:`fiftyone_simfind.models.roi.pool` the vectors
    of three of its feature maps. Works with every detection head of ultralytics 8.4, end-to-end heads
    included, and with segment, pose and OBB models: what lies inside the masks of the former, and the rotated boxes of
    the latter, is the object. Safe to share between threads.

    Args:
        model: weights file or name, or a loaded ``ultralytics.YOLO``
        name: of a loaded one; default is made from its parameters
        image_size: longest side of an image in the network, in pixels
        device: torch device; default is the first GPU, or else the CPU
        engine: what runs the network: ``"torch"``, ``"openvino"``, ``"onnx"``, ``"tensorrt"``, or the fastest of those
            that are installed, ``"auto"``

    Attributes:
        name: tells these vectors from those of other weights or another image size
        engine: name of what runs the network
        streams: how many threads may call it at once, and should, for most images a second
        batch_size: images of a call, likewise
        levels: the feature maps that are pooled
        parts: what the numbers of a vector are: ``"look"``, ``"shape"``, ``"kind"``
        dim: length of the vectors
        takes_masks: whether :meth:`embed` does
    """

    takes_masks = True

    def __init__(
        self,
        model: Any,
        *,
        name: str | None = None,
        image_size: int = 640,
        device: str | None = None,
        engine: str = "torch",
    ):
        if image_size < PROBE:
            raise OptionError(f"image_size={image_size} is too small for YOLO; give at least {PROBE} pixels")
        engines.check(engine)
        if isinstance(model, (str, Path)):
            yolo, weights_name = weights.load(str(model))
        else:
            yolo, weights_name = model, name or f"{type(model).__name__} {weights.digest(model)}"
        weights.require_detector(yolo, weights_name)
        self.name = f"{weights_name} {image_size}px {roi.RECIPE}"
        self._names, self._predictor = yolo.names, _predictor(yolo, device)
        network = self._predictor.model.model
        self.levels = maps.choose(network, maps.look(network, PROBE, self._predictor.device), PROBE)
        self._head = heads.Head(network)
        self.parts = roi.parts(self.levels)
        self.dim = self.parts[-1].stop
        stride = int(self._predictor.model.stride)
        self._letterbox = LetterBox(check_imgsz(image_size, stride=stride, min_dim=2), auto=True, stride=stride)
        layers = tuple(level.layer for level in self.levels.maps)
        self._engine = engines.load(
            engine, Source(network, layers, self._predictor.device, weights_name, self.name, image_size)
        )
        self.engine, self.streams, self.batch_size = (
            self._engine.name,
            self._engine.streams,
            self._engine.batch_size,
        )

    @property
    def class_names(self) -> list[str]:
        """The classes that the network knows, in the order of its outputs."""
        return list(self._names.values())

    def prepare(self, image: NDArray[np.uint8]) -> Canvas:
        """An ``(h, w, 3)`` uint8 BGR image as the network takes it: as ultralytics scales and pads it alone."""
        return Canvas(np.ascontiguousarray(self._letterbox(image=image)), (image.shape[1], image.shape[0]))

    def detect(
        self, images: Images, *, confidence_thresh: float = 0.25, classes: Sequence[str] | None = None
    ) -> list[Objects]:
        """The objects of each image, as ``YOLO.predict`` finds them in it, and their vectors.

        Args:
            images: ``(h, w, 3)`` uint8, BGR; or what :meth:`prepare` made of them
            confidence_thresh: leave out objects less sure than this, in [0, 1]
            classes: names of the classes to keep; default is all

        Returns:
            for each image its objects, most confident first

        Raises:
            OptionError: the network does not know one of the classes
        """
        results_of = self._results(confidence_thresh, self._class_ids(classes))
        found: dict[int, Objects] = {}
        for rows, canvases, raw, pool in self._passes(images):
            results = results_of(raw, canvases)
            boxes = [_boxes(result) for result in results]
            masks = [_masks(result, xywh) for result, xywh in zip(results, boxes, strict=True)]
            for row, result, xywh, vectors in zip(rows, results, boxes, pool(boxes, masks), strict=True):
                found[row] = _objects(result, xywh, vectors)
        return [found[row] for row in range(len(images))]

    def embed(self, images: Images, boxes: Sequence[Boxes], masks: roi.Masks | None = None) -> list[Vectors]:
        """The vectors of boxes that already exist.

        Args:
            images: ``(h, w, 3)`` uint8, BGR; or what :meth:`prepare` made of them
            boxes: for each image ``(n, 4)`` relative ``[x, y, width, height]``
            masks: for each image ``n`` grids as :mod:`fiftyone_simfind.numerics.masks` makes them, which say what of
                each box is its object; None for boxes, or images, without one

        Returns:
            for each image ``(n, dim)`` float32 of length 1; NaN for a box with no area inside its image
        """
        vectors: dict[int, Vectors] = {}
        for rows, _, _, pool in self._passes(images):
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
        ((_, _, _, pool),) = self._passes([image], pooling=roi.pool_cells)
        ((vectors, weights),) = pool([boxes], [[mask]])
        return vectors[0], weights[0]

    def _passes(
        self, images: Images, pooling: Callable[..., list] = roi.pool
    ) -> Iterator[tuple[list[int], list[Canvas], Any, Callable[..., list]]]:
        """A forward pass for each shape of canvas: its rows, its canvases, what the head says, and the maps' pooling.

        Only canvases of one shape share a pass: ultralytics pads a mixed batch to a square, and then finds other boxes
        than in each image alone.
        """
        canvases = [image if isinstance(image, Canvas) else self.prepare(image) for image in images]
        shapes: dict[tuple[int, int], list[int]] = {}
        for row, canvas in enumerate(canvases):
            shapes.setdefault(canvas.shape, []).append(row)
        for rows in shapes.values():
            some = [canvases[row] for row in rows]
            raw, seen = self._engine(np.stack([canvas.pixels for canvas in some]))
            yield rows, some, raw, partial(pooling, seen, self.levels, [canvas.size_wh for canvas in some])

    def _results(self, confidence_thresh: float, classes: list[int] | None) -> Callable[[Any, list[Canvas]], list]:
        """What makes ultralytics' results of what the head says, with a predictor of its own: predictors have state."""
        predictor = copy.copy(self._predictor)
        predictor.args = copy.copy(predictor.args)
        predictor.args.conf, predictor.args.classes = confidence_thresh, classes

        def results(raw: Any, canvases: list[Canvas]) -> list[Any]:
            # Of the images nothing but their size is asked for.
            sizes = [np.broadcast_to(np.uint8(0), (*canvas.size_wh[::-1], 3)) for canvas in canvases]
            predictor.batch = ([""] * len(canvases), sizes, [""] * len(canvases))
            canvas = torch.empty(()).expand(len(canvases), 3, *canvases[0].shape)
            with torch.inference_mode():
                preds = self._head.decode(raw, canvases[0].shape, confidence_thresh)
                return predictor.postprocess(preds, canvas, sizes)

        return results

    def _class_ids(self, classes: Sequence[str] | None) -> list[int] | None:
        if classes is None:
            return None
        ids = {name: index for index, name in self._names.items()}
        unknown = sorted(set(classes) - set(ids))
        if unknown:
            known = ", ".join(list(ids)[:12])
            raise OptionError(f"{self.name} does not know the classes {unknown}; it knows {known}, ...")
        return [ids[name] for name in classes]


def _predictor(yolo: Any, device: str | None) -> Any:
    """ultralytics' predictor of a model, ready for use."""
    threads = torch.get_num_threads()
    options = {"imgsz": PROBE, "device": device, "max_det": MAX_OBJECTS, "verbose": False, "save": False}
    yolo.predict([np.zeros((PROBE, PROBE, 3), np.uint8)], **options)
    torch.set_num_threads(threads)  # ultralytics takes one core away, from the whole process
    return yolo.predictor


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
