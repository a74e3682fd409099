"""ONNX Runtime, on CPUs and GPUs; and TensorRT by way of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models.engines.base import MAX_STREAMS, Pixels, Source, cores
from fiftyone_simfind.models.engines.exported import IMAGES, Plain, cached, image_by_image, planar, probe
from fiftyone_simfind.models.heads import Raw
from fiftyone_simfind.models.maps import Seen

OPSET = 17
GPU_BATCH = 16
PROVIDERS = {"tensorrt": "TensorrtExecutionProvider", "cuda": "CUDAExecutionProvider", "cpu": "CPUExecutionProvider"}


class OnnxEngine:
    """A network run by ONNX Runtime.

    Args:
        source: the network
        name: ``"onnx"``, or ``"tensorrt"`` for that library by way of ONNX Runtime

    Attributes:
        file: the exported network
    """

    def __init__(self, source: Source, name: str = "onnx"):
        import onnxruntime as ort

        kind = "tensorrt" if name == "tensorrt" else source.device.type
        if PROVIDERS.get(kind) not in ort.get_available_providers():
            raise ModelError(
                f'engine="{name}" on device="{source.device}" needs an ONNX Runtime with {PROVIDERS.get(kind, kind)}, '
                f"and this one has {ort.get_available_providers()}; install onnxruntime-gpu, or give engine='torch'"
            )
        self._plain = plain = Plain(source)
        self.file = cached(source, "onnxruntime", ".onnx", lambda path: _export(plain, path))
        self.name, self._on_cpu = name, kind == "cpu"
        self.streams, self.batch_size = (min(cores(), MAX_STREAMS), IMAGES) if self._on_cpu else (1, GPU_BATCH)
        options = ort.SessionOptions()
        options.intra_op_num_threads = max(cores() // self.streams, 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider = PROVIDERS[kind], _options(kind, self.file)
        self._session = ort.InferenceSession(self.file, options, providers=[provider])

    def __call__(self, pixels: Pixels) -> tuple[Raw, Seen]:
        """What the head and the maps say of ``(b, h, w, 3)`` uint8 BGR images, as :class:`Engine` describes it."""
        if self._on_cpu:
            outputs = image_by_image(lambda planes: [[output] for output in self._run(planes)], pixels)
        else:
            outputs = self._run(planar(pixels))
        return self._plain.back(pixels, outputs)

    def _run(self, pixels: Pixels) -> list[Any]:
        return self._session.run(None, {"pixels": pixels})


def _options(kind: str, file: Path) -> dict[str, Any]:
    if kind != "tensorrt":
        return {}
    return {"trt_fp16_enable": True, "trt_engine_cache_enable": True, "trt_engine_cache_path": str(file.parent)}


def _export(plain: Plain, path: Path) -> None:
    with torch.inference_mode():
        torch.onnx.export(
            plain.eval(),
            (probe(),),
            str(path),
            input_names=["pixels"],
            dynamic_axes={"pixels": {0: "batch", 2: "height", 3: "width"}},
            opset_version=OPSET,
            dynamo=False,
        )
