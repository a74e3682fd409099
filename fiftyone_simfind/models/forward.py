"""Ways to run a network that sees crops: torch or OpenVINO, in half precision where that leaves its vectors alone."""

from __future__ import annotations

import copy
import importlib.util
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.models import engines
from fiftyone_simfind.models.engines.base import MAX_STREAMS, cores, streams

logger = logging.getLogger(__name__)

NAMES = ("auto", "torch", "openvino")
CPU_PASS, GPU_PASS = 8, 128  # crops in a forward pass; more are no faster on a core, and fill its cache
AGREE = 0.999  # mean cosine to the float32 vectors from which on half precision may stand for them
PROBE = 64  # side of the crops that a network is traced with, in pixels
TRIALS = CPU_PASS  # pictures that ways are compared with
SCALES = ((3, 0.5), (9, 0.3), (28, 0.15), (112, 0.05))  # patches a side of a picture, and their share in it

Pixels = NDArray[np.uint8]


class Plain(torch.nn.Module):
    """``(n, side, side, 3)`` uint8 RGB to ``(n, d)``: a network with what it wants done to pixels.

    Args:
        network: gives ``(n, d)`` features of ``(n, 3, side, side)``
        mean: of RGB in [0, 1]
        std: likewise
    """

    def __init__(self, network: Any, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.network = network.float().eval()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
        self.precision = torch.float32

    def to_half(self, precision: torch.dtype) -> Plain:
        """A copy in half precision; pixels are normalized in float32 before."""
        half = copy.deepcopy(self)
        half.network, half.precision = half.network.to(precision), precision
        return half

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Float32 features of some crops."""
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        return self.network(images.to(self.precision)).float()


class Forward(Protocol):
    """What runs a network. Safe to share between threads.

    Attributes:
        name: of the engine, as the user calls it
        precision: that it computes in
        streams: how many threads may call it at once, and should, for most crops a second
        batch_size: crops of a call, likewise
    """

    name: str
    precision: str
    streams: int
    batch_size: int

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, d)`` features of ``(n, side, side, 3)`` uint8 RGB crops."""
        ...


class TorchForward:
    """A network run by torch itself."""

    name = "torch"

    def __init__(self, plain: Plain, device: torch.device):
        self._plain, self._device = plain.to(device, memory_format=torch.channels_last), device
        self.precision = str(plain.precision).removeprefix("torch.")
        on_cpu = device.type == "cpu"
        self.streams, self.batch_size = (min(cores(), MAX_STREAMS), CPU_PASS) if on_cpu else (1, GPU_PASS)

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, d)`` features of ``(n, side, side, 3)`` uint8 RGB crops."""
        with torch.inference_mode():
            images = torch.from_numpy(pixels)
            if self._device.type == "cuda":
                images = images.pin_memory()
            return self._plain(images.to(self._device, non_blocking=True)).cpu().numpy()


class OpenVinoForward:
    """A network compiled by OpenVINO; ``precision`` is its choice where it is not given."""

    name = "openvino"
    batch_size = CPU_PASS

    def __init__(self, plain: Plain, side: int, precision: str | None = None):
        from fiftyone_simfind.models.engines.openvino import silent

        ov = silent()
        shape, probe = ov.PartialShape([-1, side, side, 3]), torch.zeros(2, PROBE, PROBE, 3, dtype=torch.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's tracer, on what it follows
            model = ov.convert_model(plain, example_input=probe, input=[shape])
        options = {"PERFORMANCE_HINT": "THROUGHPUT"} | ({"INFERENCE_PRECISION_HINT": precision} if precision else {})
        self._compiled = ov.Core().compile_model(model, "CPU", options)
        self.precision = str(self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
        self.streams = min(int(self._compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")), 2 * MAX_STREAMS)
        self._own = threading.local()

    def __call__(self, pixels: Pixels) -> NDArray[np.float32]:
        """``(n, d)`` features of ``(n, side, side, 3)`` uint8 RGB crops."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        return np.array(request.infer([pixels])[0], dtype=np.float32)


def load(engine: str, plain: Plain, side: int, device: torch.device, name: str) -> Forward:
    """The engine of a name for a network; of ``"auto"``, or where there is a choice of precision, the fastest.

    Args:
        engine: one of ``NAMES``
        plain: the network
        side: of a crop, in pixels
        device: that it is to run on
        name: of the network, for messages

    Raises:
        ModelError: it cannot run this network, or not on this device
        OptionError: there is no such engine
        PackageError: its package is not installed
    """
    engines.check(engine)
    if engine not in NAMES:
        raise ModelError(f'engine="{engine}" runs detectors, and {name} looks at crops; give one of {NAMES}')
    if engine == "openvino" and device.type != "cpu":
        raise ModelError(f'engine="openvino" runs on the CPU, not on device="{device}"; give engine="torch"')
    if engine == "torch" and device.type == "cpu":
        return TorchForward(plain, device)
    return _fastest(engine, plain, side, device, name)


def _fastest(engine: str, plain: Plain, side: int, device: torch.device, name: str) -> Forward:
    """The one with most crops a second, of those whose vectors are those of torch in float32."""
    exact = TorchForward(plain, device)
    pictures = trial_pictures(side)
    taken, expected = trial(exact, pictures)
    tried: dict[Forward, float] = {} if engine == "openvino" else {exact: taken}
    for make in _makers(engine, plain, side, device):
        try:
            forward = make()
            taken, vectors = trial(forward, pictures)
        except Exception as error:  # whatever the library's converter or compiler raised
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            logger.warning('engine="%s" cannot run %s: %s', engine, name, reason)
            continue
        if agreement(vectors, expected) >= AGREE:
            tried[forward] = taken
            break  # what follows is more precise, and slower
    if not tried:
        raise ModelError(f'engine="{engine}" cannot run {name} as torch does; give engine="torch"')
    best = min(tried, key=lambda forward: tried[forward])
    told = ", ".join(f"{way.name} in {way.precision} {1000 * each:.1f} ms" for way, each in tried.items())
    logger.info("engine=%s: %s in %s for %s (a crop: %s)", engine, best.name, best.precision, name, told)
    return best


def _makers(engine: str, plain: Plain, side: int, device: torch.device) -> Iterator[Callable[[], Forward]]:
    """What makes each way beside torch in float32; a library's own choice of precision comes before its float32."""
    if device.type == "cuda":
        yield lambda: TorchForward(plain.to_half(torch.float16), device)
    elif device.type == "cpu" and (engine == "openvino" or importlib.util.find_spec("openvino")):
        yield lambda: OpenVinoForward(plain, side)
        yield lambda: OpenVinoForward(plain, side, "f32")
    elif device.type == "cpu" and _has_bfloat16():
        yield lambda: TorchForward(plain.to_half(torch.bfloat16), device)


def _has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16, as far as this torch can tell."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def agreement(vectors: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Mean cosine of the rows of two matrices; NaN where one has a row without direction."""
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(expected, axis=1)
    with np.errstate(invalid="ignore"):
        return float(np.mean(np.sum(vectors * expected, axis=1) / lengths))


def trial(forward: Forward, pictures: Pixels) -> tuple[float, NDArray[np.float32]]:
    """How many seconds a picture takes with all streams at work, and the vectors of the pictures."""
    with streams(forward.streams) as pool:
        list(pool.map(forward, [pictures[:1]] * forward.streams))  # what is made at the first pass is no part of it
        started = time.perf_counter()
        vectors = list(pool.map(forward, [pictures] * forward.streams))
        taken = time.perf_counter() - started
    return taken / forward.streams / len(pictures), vectors[0]


def trial_pictures(side: int) -> Pixels:
    """``(TRIALS, side, side, 3)`` uint8: patches of colour in several sizes, from a fixed seed.

    Half precision changes the vectors of such pictures about as much as those of photos.
    """
    rng = np.random.default_rng(51)

    def patches(count: int) -> NDArray:
        grid = Image.fromarray(rng.integers(0, 255, (count, count, 3), dtype=np.uint8))
        return np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)

    mixed = [sum(share * patches(count) for count, share in SCALES) for _ in range(TRIALS)]
    return np.stack(mixed).astype(np.uint8)
