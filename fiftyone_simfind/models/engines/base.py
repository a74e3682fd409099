"""What an engine is, and what it is made from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from fiftyone_simfind._types import GIVEN_CORES
from fiftyone_simfind.models.heads import Raw
from fiftyone_simfind.models.maps import Seen

MAX_STREAMS = 8  # beyond, threads of Python wait for each other more than for the network

Pixels = NDArray[np.uint8]


class Engine(Protocol):
    """A network, and what runs it. Safe to share between threads.

    Attributes:
        name: as the user calls it
        streams: how many threads may call it at once, and should, for most images a second
        batch_size: images of a call, likewise
    """

    name: str
    streams: int
    batch_size: int

    def __call__(self, pixels: Pixels) -> tuple[Raw | tuple, Seen]:
        """What the head and the maps say of some letterboxed images.

        Args:
            pixels: ``(b, h, w, 3)`` uint8 BGR; ``h`` and ``w`` are multiples of the stride

        Returns:
            what :meth:`fiftyone_simfind.models.heads.Head.decode` takes, and the maps; both are good until the next
            call of the same thread
        """
        ...


@dataclass(frozen=True)
class Source:
    """A network as ultralytics runs it.

    Attributes:
        network: fused, in eval mode, on ``device``
        layers: numbers of those whose maps are wanted
        device: that it is to run on
        name: of its weights
        key: tells it from every other network, or image size
        image_size: longest side of an image, in pixels
    """

    network: Any
    layers: tuple[int, ...]
    device: torch.device
    name: str
    key: str
    image_size: int


def cores() -> int:
    """Cores that this process may use, those apart that are only a second thread of another one.

    Of a worker of a cluster, which shares its machine with others, those that it was given.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = min(allowed, int(os.environ.get(GIVEN_CORES, allowed)))
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


@contextmanager
def all_cores() -> Iterator[None]:
    """All cores for what the calling thread asks of torch, of which ultralytics takes one away."""
    before = torch.get_num_threads()
    torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)  # what a thread sets holds for all that are begun later


@contextmanager
def streams(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that share the cores among them; what waits when the context ends is not begun any more."""
    pool = ThreadPoolExecutor(count, "simfind-stream", torch.set_num_threads, (max(cores() // count, 1),))
    with all_cores():
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
