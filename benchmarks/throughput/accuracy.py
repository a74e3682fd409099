"""Whether engines find the same objects as ultralytics, and give them the same vectors.

ultralytics' ``val`` and ``predict`` find different objects with the same network: ``val`` gives a box several classes,
its canvases are half a stride wider and shared by a batch, and it rounds the sides of a scaled image up. So what is
stored is compared with ``val`` told to use the canvases and the one class of ``predict``, and with ``val`` as it is.
All figures are by ultralytics' own measure.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.throughput.data import FIELD, Material, dataset, labels

CONFIDENCE = 0.001  # as in val
IMAGE_SIZE = 640  # pixels
MAX_DETECTIONS = 300  # of an image, the most confident, as in val


class Boxes(NamedTuple):
    """Objects of an image: ``(n, 4)`` corners in pixels, ``(n,)`` confidences, and ``(n,)`` numbers of classes."""

    corners: NDArray[np.float32]
    confidences: NDArray[np.float32]
    classes: NDArray[np.float32]


class Truth:
    """Labelled photos, for ultralytics' ``val`` and for :meth:`measure`.

    Args:
        material: the photos and the network, whose classes the labels name
        data: the folder of :func:`benchmarks.throughput.data.photos`
        folder: where what ``val`` reads is written
    """

    def __init__(self, material: Material, data: Path, folder: Path):
        from ultralytics import YOLO

        self.names: dict[int, str] = YOLO(material.weights).names
        self._numbers = {name: number for number, name in self.names.items()}
        self.material, self._folder = material, folder
        self._boxes = {path.name: self._of(path, known) for path, known in _labelled(material, data)}
        self.sizes = {path.name: _size(path) for path in material.files}
        self._write(material.files)

    @property
    def yaml(self) -> Path:
        """The file that ``val`` is given."""
        return self._folder / "photos.yaml"

    def number(self, label: str) -> int:
        """Of a class."""
        return self._numbers[label]

    def measure(self, found: Mapping[str, Boxes]) -> tuple[float, float]:
        """Mean average precision, at IoU .5 and over .5 to .95, of what was found in each photo."""
        import torch
        from ultralytics.models.yolo.detect import DetectionValidator
        from ultralytics.utils.metrics import ap_per_class

        validator = DetectionValidator(save_dir=self._folder)
        stats: list[tuple] = []
        for name, truth in self._boxes.items():
            best = np.argsort(-found[name].confidences, kind="stable")[:MAX_DETECTIONS]
            corners, confidences, classes = (array[best] for array in found[name])
            given = {"bboxes": torch.from_numpy(corners), "cls": torch.from_numpy(classes)}
            known = {"bboxes": torch.from_numpy(truth.corners), "cls": torch.from_numpy(truth.classes)}
            stats.append((validator._process_batch(given, known)["tp"], confidences, classes, truth.classes))
        hits, confidences, classes, targets = (np.concatenate(column) for column in zip(*stats, strict=True))
        precision = ap_per_class(hits, confidences, classes, targets, names=self.names)[5]
        return float(precision[:, 0].mean()), float(precision.mean())

    def _of(self, path: Path, known: list) -> Boxes:
        corners = np.array([[x, y, x + w, y + h] for _, (x, y, w, h) in known], np.float32).reshape(-1, 4)
        classes = np.array([self._numbers[label] for label, _ in known], np.float32)
        return Boxes(corners, np.ones(len(known), np.float32), classes)

    def _write(self, files: list[Path]) -> None:
        for kind in ("images", "labels"):
            (self._folder / kind).mkdir(parents=True)
        for path in files:
            (self._folder / "images" / path.name).symlink_to(path.resolve())
            truth, side = self._boxes[path.name], np.tile(self.sizes[path.name], 2)
            x0, y0, x1, y1 = (truth.corners / side).T
            rows = np.column_stack([truth.classes, (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
            lines = [" ".join([str(int(row[0])), *(f"{value:.7f}" for value in row[1:])]) for row in rows]
            (self._folder / "labels" / f"{path.stem}.txt").write_text("\n".join(lines))
        names = "".join(f"  {number}: {name}\n" for number, name in self.names.items())
        self.yaml.write_text(f"path: {self._folder}\ntrain: images\nval: images\nnames:\n{names}")


def _labelled(material: Material, data: Path) -> list[tuple[Path, list]]:
    """The photos, and the class and box of what is in each, crowds left out, as ultralytics leaves them out."""
    known = labels(data)
    return [
        (path, [(label, box) for label, box, is_crowd in known.get(path.name, []) if not is_crowd])
        for path in material.files
    ]


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as image:
        return image.size


def by_val(truth: Truth, like_predict: bool) -> tuple[float, float, dict[str, Boxes]]:
    """What ultralytics' ``val`` says, and what it found in each photo.

    Args:
        truth: the photos
        like_predict: one class for a box, each photo alone, on the canvas that ``predict`` gives it
    """
    import torch
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionValidator
    from ultralytics.utils import LOGGER, nms

    found: dict[str, Boxes] = {}

    class Validator(DetectionValidator):
        def build_dataset(self, path: str, mode: str = "val", batch: int | None = None) -> Any:
            made = super().build_dataset(path, mode, batch)
            if like_predict:
                sizes = [truth.sizes[Path(name).name] for name in made.im_files]
                made.batch_shapes = np.array([_canvas(size, made.stride) for size in sizes])
                made.load_image = lambda number, rect_mode=True: _scaled(made.im_files[number])
            return made

        def postprocess(self, preds: Any) -> Any:
            if not like_predict:
                return super().postprocess(preds)
            kept = nms.non_max_suppression(preds, self.args.conf, self.args.iou, max_det=self.args.max_det)
            return [{"bboxes": x[:, :4], "conf": x[:, 4], "cls": x[:, 5], "extra": x[:, 6:]} for x in kept]

        def update_metrics(self, preds: Any, batch: Any) -> None:
            for number, pred in enumerate(preds):
                scaled = self.scale_preds(pred, self._prepare_batch(number, batch))
                columns = (scaled["bboxes"], pred["conf"], pred["cls"])
                found[Path(batch["im_file"][number]).name] = Boxes(*(column.cpu().numpy() for column in columns))
            super().update_metrics(preds, batch)

    LOGGER.setLevel(logging.ERROR)
    threads = torch.get_num_threads()
    metrics = YOLO(truth.material.weights).val(
        validator=Validator, data=str(truth.yaml), imgsz=IMAGE_SIZE, batch=1 if like_predict else 16, plots=False,
        verbose=False, project=str(truth.yaml.parent), name="val", exist_ok=True, conf=CONFIDENCE,
    )  # fmt: skip
    torch.set_num_threads(threads)
    return metrics.box.map50, metrics.box.map, found


def _canvas(size_wh: tuple[int, int], stride: int) -> list[int]:
    """Height and width of the smallest rectangle for an image that the network takes."""
    return [int(np.ceil(side * IMAGE_SIZE / max(size_wh) / stride)) * stride for side in size_wh[::-1]]


def _scaled(path: str) -> tuple[NDArray[np.uint8], tuple[int, int], tuple[int, int]]:
    """An image with the sides that ``predict`` scales it to, and its height and width before and after."""
    import cv2
    from ultralytics.utils.patches import imread

    image: Any = imread(path)
    before = image.shape[:2]
    scale = IMAGE_SIZE / max(before)
    height, width = (round(side * scale) for side in before)
    if (height, width) != before:
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return image, before, (height, width)


def by_predict(material: Material) -> dict[str, Boxes]:
    """What ultralytics' ``predict`` finds in each photo alone."""
    import torch
    from ultralytics import YOLO

    yolo, found = YOLO(material.weights), {}
    threads = torch.get_num_threads()
    for path in material.files:
        (result,) = yolo.predict(str(path), imgsz=IMAGE_SIZE, conf=CONFIDENCE, verbose=False, save=False)
        columns = (result.boxes.xyxy, result.boxes.conf, result.boxes.cls)
        found[path.name] = Boxes(*(column.cpu().numpy() for column in columns))
    torch.set_num_threads(threads)
    return found


def by_detect(truth: Truth, engine: str) -> dict[str, Boxes]:
    """What ``detect`` stores."""
    import fiftyone_simfind as simfind

    chosen: dict[str, Any] = {} if engine == "default" else {"engine": engine}
    with dataset(truth.material.files) as photos:
        simfind.detect(
            photos,
            label_field=FIELD,
            model=truth.material.weights,
            confidence_thresh=CONFIDENCE,
            progress=False,
            **chosen,
        )
        fields = [f"{FIELD}.detections.{name}" for name in ("bounding_box", "confidence", "label")]
        rows = zip(*photos.values(["filepath", *fields]), strict=True)
        return {Path(path).name: _boxes(truth, Path(path).name, *found) for path, *found in rows}


def _boxes(truth: Truth, name: str, boxes: list, confidences: list, classes: list) -> Boxes:
    width, height = truth.sizes[name]
    x, y, w, h = (np.array(boxes, np.float32).reshape(-1, 4) * [width, height, width, height]).T
    return Boxes(
        np.column_stack([x, y, x + w, y + h]).astype(np.float32),
        np.array(confidences, np.float32),
        np.array([truth.number(label) for label in classes], np.float32),
    )


def cosines(material: Material, engine: str) -> NDArray[np.float64]:
    """``(n,)``: how alike the vectors of an engine are to those of torch, for the boxes that torch finds."""
    from fiftyone_simfind.models import images, load_detector

    exact: Any = load_detector(material.weights, engine="torch")
    other: Any = load_detector(material.weights, engine=engine)
    found = []
    for start in range(0, len(material.files), 8):
        pictures = [images.read(str(path)) for path in material.files[start : start + 8]]
        objects = exact.detect(pictures)
        vectors = other.embed(pictures, [of_image.boxes for of_image in objects])
        found += [(of_image.vectors * made).sum(axis=1) for of_image, made in zip(objects, vectors, strict=True)]
    return np.concatenate(found).astype(np.float64)


def table(truth: Truth, engines: Sequence[str]) -> str:
    """The tables of this section, in Markdown."""
    lines = ["| | mAP at .5 | mAP at .5 to .95 |", "| --- | --- | --- |"]
    for name, like_predict in (("val", False), ("val, one class for a box, canvases as in predict", True)):
        at_half, mean, found = by_val(truth, like_predict)
        lines.append(f"| ultralytics' {name}, its own figure | {at_half:.4f} | {mean:.4f} |")
        lines.append(_line("... what it found, measured as all that follows", truth.measure(found)))
    lines.append(_line("ultralytics' predict, photo by photo", truth.measure(by_predict(truth.material))))
    for engine in engines:
        lines.append(_line(f'simfind.detect, engine="{engine}"', truth.measure(by_detect(truth, engine))))
    lines += ["", "| | cosine to torch: least | 1st percentile | median | objects |", "| --- | --- | --- | --- | --- |"]
    for engine in engines:
        alike = cosines(truth.material, engine)
        least, first, middle = np.percentile(alike, [0, 1, 50])
        lines.append(f"| {engine} | {least:.5f} | {first:.5f} | {middle:.5f} | {len(alike):,} |")
    return "\n".join(lines)


def _line(name: str, figures: tuple[float, float]) -> str:
    return f"| {name} | {figures[0]:.4f} | {figures[1]:.4f} |"
