"""What a YOLO head says, before it is decoded, and what ultralytics makes results of.

A head is asked for its raw outputs: distances and logits of every anchor. Decoded are only the anchors that are sure
enough, which are few; and by torch in float32, whatever runs the network and however precisely.
"""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Sequence
from typing import Any

import torch
from ultralytics.utils.tal import make_anchors

FEATS = "feats"  # ultralytics' name of the maps that enter a head
END_TO_END = 6  # columns by which ultralytics takes an output for that of an end-to-end head
NEARLY = 1e-3  # logits below the threshold that are decoded as well: ultralytics decides

Raw = dict[str, Any]


def make_raw(network: Any) -> None:
    """Have a network's head give its raw outputs; nothing else about the network changes."""
    network.model[-1].training = True  # its layers stay as they are


class Head:
    """The decoding of a network's head. Safe to share between threads.

    Args:
        network: as ultralytics runs it
    """

    def __init__(self, network: Any):
        self._head = copy.deepcopy(network.model[-1]).float().cpu()
        self._head.training = False
        self.strides = [int(stride) for stride in self._head.stride]
        self._ready: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def decode(self, raw: Raw | tuple, canvas_hw: tuple[int, int], confidence_thresh: float) -> Any:
        """What ultralytics' predictors take: the head's own ``forward`` from there on.

        Args:
            raw: what the head gave; heads that decode by themselves give a tuple, which is left as it is
            canvas_hw: size of the images in the network, in pixels
            confidence_thresh: surer anchors are wanted, in [0, 1]
        """
        if not isinstance(raw, dict):
            return raw
        branch = raw["one2one" if self._head.end2end else "one2many"] if "one2one" in raw else raw
        logits = branch["scores"]
        some = _sure(logits, confidence_thresh)
        head = copy.copy(self._for(canvas_hw, logits.device))
        anchors = head.anchors.shape[1]
        head.nc, head.shape = logits.shape[1], (len(logits), 1, *canvas_hw)
        head.anchors, head.strides = head.anchors[:, some], head.strides[:, some]
        chosen = {key: _take(value, some, anchors) for key, value in branch.items() if key != FEATS}
        chosen[FEATS] = [torch.empty(()).expand(head.shape)]  # its anchors are those of this shape already
        found = head._inference(chosen)
        if head.end2end:
            found = head.postprocess(found.permute(0, 2, 1))
        return ((found, branch["proto"]), raw) if "proto" in branch else (found, raw)

    def _for(self, canvas_hw: tuple[int, int], device: torch.device) -> Any:
        """The head on a device, with the points of all anchors ``(2, a)``, in cells, and their strides ``(1, a)``."""
        with self._lock:
            if (key := (canvas_hw, device)) not in self._ready:
                if device not in self._ready:
                    self._ready[device] = copy.deepcopy(self._head).to(device)
                head = self._ready[key] = copy.copy(self._ready[device])  # the weights are the same ones
                sizes = [(canvas_hw[0] // stride, canvas_hw[1] // stride) for stride in self.strides]
                feats = [torch.empty((), device=device).expand(1, 1, *size) for size in sizes]
                points, strides = make_anchors(feats, self._head.stride, 0.5)
                head.anchors, head.strides = points.T, strides.T
            return self._ready[key]


def flatten(raw: Raw, branch: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a head's nested dictionary by path, without the maps that entered it."""
    found: dict[str, torch.Tensor] = {}
    for key, value in raw.items():
        if isinstance(value, dict):
            found.update(flatten(value, f"{branch}{key}/"))
        elif key != FEATS:
            found[branch + key] = value
    return found


def nest(found: dict[str, torch.Tensor], strides: Sequence[int], shape: Sequence[int]) -> Raw:
    """The dictionary that :func:`flatten` was given; in place of the maps stands what has their shapes.

    Args:
        found: tensors by path
        strides: of the head
        shape: ``(b, h, w, ...)`` of the images in the network
    """
    feats = [torch.empty(()).expand(shape[0], 1, shape[1] // stride, shape[2] // stride) for stride in strides]
    branches = {path.rpartition("/")[0] for path in found}
    raw: Raw = {} if branches == {""} else {"one2many": {}, "one2one": {}}
    for path, tensor in found.items():
        branch, _, key = path.rpartition("/")
        (raw[branch] if branch else raw).update({key: tensor, FEATS: feats})
    return raw


def _sure(logits: torch.Tensor, confidence_thresh: float) -> torch.Tensor | slice:
    """The numbers of the anchors of which some image of the batch has a sure enough class; at least one."""
    if not 0 < confidence_thresh < 1:
        return slice(None)
    least = math.log(confidence_thresh / (1 - confidence_thresh)) - NEARLY
    best = logits.amax(dim=1).amax(dim=0)  # both at once take longer where channels lie side by side
    (some,) = torch.where(best > least)
    if len(some) in (0, END_TO_END):
        some = best.topk(len(some) + 1).indices.sort().values
    return some


def _take(value: Any, some: torch.Tensor | slice, anchors: int) -> Any:
    """Some columns of what has one for each anchor."""
    has_anchors = isinstance(value, torch.Tensor) and value.ndim == 3 and value.shape[2] == anchors
    return value.transpose(1, 2)[:, some].transpose(1, 2).float() if has_anchors else value
