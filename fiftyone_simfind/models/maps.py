"""Which feature maps of a YOLO network to keep, and how to get at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from fiftyone_simfind.errors import ModelError


@dataclass
class Seen:
    """What one forward pass leaves behind.

    Attributes:
        pixels: ``(b, h, w, 3)`` the letterboxed images, uint8 BGR
        layers: outputs ``(b, c, h, w)`` of the kept layers, by number
        scores: for each level of the head ``(b, classes, h, w)``, logits; empty where a head has none
    """

    pixels: torch.Tensor | None = None
    layers: dict[int, torch.Tensor] = field(default_factory=dict)
    scores: list[torch.Tensor] = field(default_factory=list)

    def take(self, pixels: torch.Tensor, output: Any) -> Seen:
        """Hand over what was seen of some images, of which a head said something, and forget it."""
        taken = Seen(pixels, dict(self.layers), scores(output))
        self.layers.clear()
        return taken


class Level(NamedTuple):
    """One feature map to pool: the layer that makes it, its stride in pixels and its channels."""

    layer: int
    stride: int
    channels: int


class Levels(NamedTuple):
    """The maps that vectors are made of.

    Attributes:
        middle: the backbone's last map at stride 16: patterns and parts
        late: its first two maps at stride 32: what the parts make up
        classes: how many classes the head scores; 0 where it has no scores
    """

    middle: Level
    late: tuple[Level, ...]
    classes: int

    @property
    def maps(self) -> list[Level]:
        """All of them, in order."""
        return [self.middle, *self.late]


def tap(network: Any, layers: Iterable[int], into: Seen) -> list[Any]:
    """Keep some layers' outputs in ``into`` at every forward pass."""
    return [network.model[layer].register_forward_hook(_keep_map(into, layer)) for layer in layers]


def _keep_map(into: Seen, layer: int) -> Callable[..., None]:
    # A plain function: ultralytics deep-copies models, and with them whatever a bound method is bound to.
    def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        into.layers[layer] = output

    return hook


def scores(output: Any) -> list[torch.Tensor]:
    """The class logits of each level, out of what ultralytics' detection heads put out."""
    found = output[-1] if isinstance(output, (tuple, list)) else output
    if isinstance(found, dict) and "one2one" in found:
        found = found["one2many"] or found["one2one"]
    if not isinstance(found, dict) or not {"scores", "feats"} <= set(found):
        return []
    sizes = [feature.shape[2:] for feature in found["feats"]]
    levels = found["scores"].split([h * w for h, w in sizes], dim=2)
    return [level.unflatten(2, size) for level, size in zip(levels, sizes, strict=True)]


def look(network: Any, canvas: int, device: torch.device) -> Seen:
    """The output of every layer for one black image, and what the head says of its classes."""
    seen = Seen()
    hooks = tap(network, range(len(network.model) - 1), seen)
    try:
        with torch.inference_mode():
            output = network(torch.zeros(1, 3, canvas, canvas, device=device))
    finally:
        for hook in hooks:
            hook.remove()
    return seen.take(torch.zeros(1, canvas, canvas, 3, dtype=torch.uint8), output)


def choose(network: Any, seen: Seen, canvas: int) -> Levels:
    """The backbone's last map at stride 16, its first two at stride 32, and the head's class scores.

    They are found by what the layers put out and not by number, so that this holds for every family and size of YOLO.

    Args:
        network: ultralytics' ``DetectionModel`` or a relative of it
        seen: what its layers put out for one square canvas
        canvas: side of that canvas in pixels
    """
    depth = len(network.yaml["backbone"])
    maps = [
        Level(i, canvas // m.shape[3], m.shape[1])
        for i, m in sorted(seen.layers.items())
        if i < depth and isinstance(m, torch.Tensor) and m.ndim == 4
    ]
    middle, late = ([level for level in maps if level.stride == stride] for stride in (16, 32))
    if not (middle and late):
        raise ModelError(f"{type(network).__name__} has no maps at strides 16 and 32; give a YOLO detection network")
    classes = seen.scores[0].shape[1] if seen.scores else 0
    return Levels(middle[-1], tuple(late[:2]), classes)
