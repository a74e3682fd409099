"""Ways to run a YOLO network: torch itself, or a program that another library makes of it."""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fiftyone_simfind.errors import ModelError, OptionError, PackageError
from fiftyone_simfind.models.engines.base import Engine, Source, streams

logger = logging.getLogger(__name__)

MODULES = {"openvino": "openvino", "onnx": "onnxruntime", "tensorrt": "onnxruntime"}  # what each engine is made of
NAMES = ("auto", "torch", *MODULES)
TRIALS = 3  # passes of each engine and stream, of which the fastest counts
TRIAL_SHAPE = (0.75, 1.0)  # of most photos: height and width, as shares of the longest side


def check(name: str) -> None:
    """Raise unless this is the name of an engine that is installed.

    Raises:
        PackageError: its package is not there
        OptionError: there is no such engine
    """
    check_name(name)
    if name in MODULES and not _installed(name):
        raise PackageError(
            f'engine="{name}" needs the package {MODULES[name]}; install it with '
            f'pip install "fiftyone-simfind[{name}]", or give engine="auto"'
        )


def check_name(name: str) -> None:
    """Raise unless there is an engine of this name, whether it is installed or not.

    Raises:
        OptionError: there is none
    """
    if name not in NAMES:
        raise OptionError(f'engine="{name}" must be one of {NAMES}')


def load(name: str, source: Source) -> Engine:
    """The engine of a name, ready to run a network; of ``"auto"`` the fastest that is installed.

    Args:
        name: one of ``NAMES``
        source: the network

    Raises:
        ModelError: it cannot run this network here
        PackageError: its package is not there
        OptionError: there is no such engine
    """
    check(name)
    if name == "auto":
        return _fastest(source)
    try:
        return _maker(name)(source)
    except ModelError:
        raise
    except Exception as error:  # whatever the library's converter or compiler raised
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f'engine="{name}" cannot run {source.name}: {reason}; give engine="torch"') from error


def _installed(name: str) -> bool:
    return importlib.util.find_spec(MODULES[name]) is not None


def _maker(name: str) -> Callable[[Source], Engine]:
    if name == "torch":
        from fiftyone_simfind.models.engines.network import TorchEngine

        return TorchEngine
    if name == "openvino":
        from fiftyone_simfind.models.engines.openvino import OpenVinoEngine

        return OpenVinoEngine
    from fiftyone_simfind.models.engines.onnx import OnnxEngine

    return lambda source: OnnxEngine(source, name)


def _fastest(source: Source) -> Engine:
    """The engine with the most images a second, of those that are installed and can run the network here."""
    engines = [load("torch", source)]
    for name in ("tensorrt", "onnx") if source.device.type == "cuda" else ("openvino", "onnx"):
        if source.device.type in ("cpu", "cuda") and _installed(name):
            try:
                engines.append(load(name, source))
            except ModelError as error:
                logger.warning("%s", error)
    if len(engines) == 1:
        return engines[0]
    seconds = {engine: trial(engine, source.image_size) for engine in engines}
    best = min(seconds, key=lambda engine: seconds[engine])
    told = ", ".join(f"{engine.name} {1000 * each:.1f} ms" for engine, each in seconds.items())
    logger.info("engine=auto: %s for %s (an image: %s)", best.name, source.name, told)
    return best


def trial(engine: Engine, image_size: int) -> float:
    """Seconds that an engine takes for an image of the commonest shape, with all its streams at work."""
    height, width = (max(32, round(image_size * share / 32) * 32) for share in TRIAL_SHAPE)
    noise = np.random.default_rng(51).integers(0, 255, (engine.batch_size, height, width, 3), dtype=np.uint8)

    def once(_: Any) -> None:
        engine(noise)

    with streams(engine.streams) as pool:
        list(pool.map(once, range(engine.streams)))  # what is made at the first pass is no part of it
        taken = []
        for _ in range(TRIALS):
            started = time.perf_counter()
            list(pool.map(once, range(engine.streams)))
            taken.append(time.perf_counter() - started)
    return min(taken) / engine.streams / engine.batch_size
