"""The network as torch runs it: what the other engines are measured by."""

from __future__ import annotations

import copy
import queue
from itertools import chain
from typing import Any, NamedTuple

import torch

from fiftyone_simfind.models import heads, maps
from fiftyone_simfind.models.engines.base import MAX_STREAMS, Pixels, Source, cores

GPU_BATCH = 64  # images in a pass at most, where a GPU has room for them
GPU_SHARE = 0.5  # of its free memory that a pass may take


class Replica(NamedTuple):
    """A network of its own for each thread, with the weights of all, and what its last pass left behind."""

    network: Any
    seen: maps.Seen


class TorchEngine:
    """ultralytics' own network: in float32 on a CPU, in float16 on a GPU."""

    name = "torch"

    def __init__(self, source: Source):
        self._device, self._layers = source.device, list(source.layers)
        self._half = source.device.type == "cuda"
        # Half precision has weights of its own: others are made from the same network.
        self._network = copy.deepcopy(source.network).half() if self._half else share_weights(source.network)
        self._network.to(memory_format=torch.channels_last)
        self._idle: queue.LifoQueue[Replica] = queue.LifoQueue()
        self.streams = min(cores(), MAX_STREAMS) if source.device.type == "cpu" else 1
        self.batch_size = self._room(source.image_size) if self._half else 1

    def __call__(self, pixels: Pixels) -> tuple[heads.Raw | tuple, maps.Seen]:
        """What the head and the maps say of ``(b, h, w, 3)`` uint8 BGR images, as :class:`Engine` describes it."""
        try:
            replica = self._idle.get_nowait()
        except queue.Empty:
            replica = self._replicate()
        with torch.inference_mode():
            images = torch.from_numpy(pixels)
            if self._half:
                images = images.pin_memory().to(self._device, non_blocking=True)
            images = images.to(self._device)
            rgb = images.permute(0, 3, 1, 2).flip(1)
            raw = replica.network((rgb.half() if self._half else rgb.float()).div_(255))
            seen = replica.seen.take(images, raw)
        self._idle.put(replica)
        return raw, seen

    def _replicate(self) -> Replica:
        replica = Replica(share_weights(self._network), maps.Seen())
        heads.make_raw(replica.network)
        maps.tap(replica.network, self._layers, replica.seen)
        return replica

    def _room(self, image_size: int) -> int:
        """How many square images fit into the GPU's free memory, as far as one of them tells."""
        torch.cuda.reset_peak_memory_stats(self._device)
        before = torch.cuda.memory_allocated(self._device)
        with torch.inference_mode():
            self._network(torch.zeros(1, 3, image_size, image_size, dtype=torch.half, device=self._device))
        each = max(torch.cuda.max_memory_allocated(self._device) - before, 1)
        free = torch.cuda.mem_get_info(self._device)[0]
        return int(min(max(GPU_SHARE * free / each, 1), GPU_BATCH))


def share_weights(network: Any) -> Any:
    """A copy of a network, with its weights in common."""
    return copy.deepcopy(network, {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())})
