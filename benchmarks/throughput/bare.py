"""The forward passes alone: canvases in memory through the network, and nothing is made of what it puts out.

Where an engine is measured, all have seen every image before: OpenVINO prepares itself for each shape of canvas that is
new to it, which would else be a part of what a few hundred images take.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.throughput.data import FIELD, WARM_UP, Material, OnDataset, on_dataset
from benchmarks.throughput.turns import Way, Work

Canvases = NDArray[np.uint8]  # (b, h, w, 3) BGR, letterboxed to the smallest rectangle that the network takes
BATCH = 8


def torch_loops(material: Material) -> dict[str, Way]:
    """The network as ultralytics runs it: float32, with all cores, and with the threads that ultralytics leaves."""
    cores = os.cpu_count() or 1
    return {
        f"the network alone, batch {batch}, {threads} threads": _loop(material, batch, threads)
        for batch in (1, BATCH)
        for threads in sorted({cores, max(1, cores - 1)}, reverse=True)
    }


def ours(material: Material, engine: str) -> dict[str, Way]:
    """What :func:`simfind.detect` does with an engine, and that engine's passes alone: in a loop, and in streams."""
    return {
        f'engine="{engine}", a loop of passes': _one_by_one(material, engine, batches(material, 1)),
        f'engine="{engine}", the same in the order of the files': _one_by_one(material, engine, in_order(material)),
        f'engine="{engine}", the passes alone in as many streams': _streams(material, engine),
        f'simfind.detect, engine="{engine}"': on_dataset(
            material, lambda: _loaded(material, engine), warm_up=len(material.files)
        ),
    }


def _loop(material: Material, batch: int, threads: int) -> Way:
    @contextmanager
    def start() -> Iterator[Work]:
        import torch

        network = _network(material)
        pixels = [_floats(some) for some in batches(material, batch)]
        torch.set_num_threads(threads)

        def work(some: Iterable[Any] = pixels) -> None:
            with torch.inference_mode():
                for each in some:
                    network(each)

        work(pixels[: 1 + WARM_UP // batch])
        yield work

    return Way(start, len(material.files))


def _loaded(material: Material, engine: str) -> OnDataset:
    """Detect, with a network that was loaded before, as those of the loops are."""
    import fiftyone_simfind as simfind
    from fiftyone_simfind.models import load_detector

    detector = load_detector(material.weights, engine=engine)
    return lambda dataset: simfind.detect(dataset, label_field=FIELD, model=detector, progress=False)


def exported(material: Material) -> dict[str, Way]:
    """The network as ultralytics exports it to OpenVINO, boxes alone, in the same two loops."""
    return {
        "ultralytics' export to OpenVINO, a loop of passes": _export_loop(material, batches(material, 1)),
        "ultralytics' export, in the order of the files": _export_loop(material, in_order(material)),
    }


def _export_loop(material: Material, canvases: Sequence[Canvases]) -> Way:
    @contextmanager
    def start() -> Iterator[Work]:
        from fiftyone_simfind.models.engines.openvino import silent

        request = silent().Core().compile_model(_export(material.weights), "CPU").create_infer_request()
        prepared = [_floats(some).numpy() for some in canvases]

        def work() -> None:
            for each in prepared:
                request.infer([each], share_inputs=True, share_outputs=True)

        work()
        yield work

    return Way(start, len(material.files))


@cache
def _export(weights: str) -> Path:
    from ultralytics import YOLO

    beside = shutil.copy(weights, tempfile.mkdtemp(prefix="bench-"))
    return next(Path(YOLO(beside).export(format="openvino", dynamic=True, verbose=False)).glob("*.xml"))


def _one_by_one(material: Material, engine: str, prepared: Sequence[Canvases]) -> Way:
    @contextmanager
    def start() -> Iterator[Work]:
        from fiftyone_simfind.models import load_detector
        from fiftyone_simfind.models.engines.exported import planar

        detector: Any = load_detector(material.weights, engine=engine)
        run = _as_its_library_does(detector._engine)
        given = (
            prepared if detector.engine == "torch" else [planar(each) for each in prepared]
        )  # as the exported ones take it

        def work() -> None:
            for each in given:
                run(each)

        work()
        yield work

    return Way(start, len(material.files))


def _as_its_library_does(engine: Any) -> Callable[[Canvases], object]:
    """A pass of an engine's network as a few lines with its library alone would run it: with all cores."""
    if engine.name == "openvino":
        from fiftyone_simfind.models.engines.openvino import silent

        request = silent().Core().compile_model(engine.file, "CPU").create_infer_request()
        return lambda canvases: request.infer([canvases], share_inputs=True, share_outputs=True)
    if engine.name == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(engine.file)
        return lambda canvases: session.run(None, {"pixels": canvases})
    return engine


def _streams(material: Material, engine: str) -> Way:
    @contextmanager
    def start() -> Iterator[Work]:
        import torch

        from fiftyone_simfind.models import load_detector

        detector: Any = load_detector(material.weights, engine=engine)
        prepared = batches(material, detector.batch_size)
        threads = max(1, (os.cpu_count() or 1) // detector.streams)
        with ThreadPoolExecutor(detector.streams, "bench", torch.set_num_threads, (threads,)) as pool:

            def work(some: Sequence[Canvases] = prepared) -> None:
                for _ in pool.map(detector._engine, some):
                    pass

            work()
            yield work

    return Way(start, len(material.files))


def in_order(material: Material) -> list[Canvases]:
    """The canvases of all images, one by one."""
    from ultralytics.data.augment import LetterBox

    from fiftyone_simfind.models import images

    letterbox = LetterBox(640, auto=True, stride=32)
    return [letterbox(image=images.read(str(path)))[None] for path in material.files]


def batches(material: Material, size: int) -> list[Canvases]:
    """The canvases of all images, those of one shape together."""
    shapes: dict[tuple[int, ...], list[Canvases]] = {}
    for canvas in in_order(material):
        shapes.setdefault(canvas.shape, []).append(canvas[0])
    return [np.stack(same[start : start + size]) for same in shapes.values() for start in range(0, len(same), size)]


def _floats(canvases: Canvases) -> Any:
    """``(b, 3, h, w)`` float32 RGB in [0, 1], as ultralytics hands them to the network."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(canvases[..., ::-1].transpose(0, 3, 1, 2))).float() / 255


def _network(material: Material) -> Any:
    from ultralytics import YOLO

    yolo = YOLO(material.weights)
    yolo.predict([np.zeros((64, 64, 3), np.uint8)], imgsz=64, verbose=False, save=False)
    return yolo.predictor.model.model
