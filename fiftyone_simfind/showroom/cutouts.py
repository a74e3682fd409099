"""Identities as pictures without a background, drawn once and kept."""

import dataclasses
import functools
from collections.abc import Callable

from PIL import Image

from . import accessories, furniture, wearables
from .catalogue import Identity
from .draw import Canvas

# A drawing holds twice the pixels of its largest place in a scene, so that it is only ever scaled down.
DENSITY = 2.4


@dataclasses.dataclass(frozen=True)
class Model:
    """How a category is drawn.

    Attributes:
        draw: fills a canvas
        height: of the canvas, in units; its width is 100 units
        size: pixels of 100 units in a scene of 480 pixels' height, at scale 1
        tilt: the largest angle at which it may stand, degrees
    """

    draw: Callable[[Canvas, Identity], None]
    height: float
    size: float
    tilt: float = 0.0


MODELS = {
    "armchair": Model(furniture.armchair, 100, 138),
    "backpack": Model(wearables.backpack, 127, 74, tilt=10),
    "clock": Model(accessories.clock, 100, 66, tilt=4),
    "cushion": Model(accessories.cushion, 96, 68, tilt=12),
    "floor lamp": Model(furniture.floor_lamp, 328, 70, tilt=1.5),
    "handbag": Model(wearables.handbag, 112, 72, tilt=6),
    "kettle": Model(accessories.kettle, 100, 66, tilt=2),
    "mug": Model(accessories.mug, 90, 50, tilt=3),
    "plant": Model(furniture.plant, 150, 88, tilt=2),
    "sneaker": Model(wearables.sneaker, 68, 78, tilt=8),
    "sofa": Model(furniture.sofa, 50, 268),
    "stool": Model(furniture.stool, 107, 74, tilt=2),
    "table lamp": Model(furniture.table_lamp, 130, 70, tilt=1.5),
    "vase": Model(accessories.vase, 150, 50, tilt=2),
}


@functools.lru_cache(maxsize=512)
def cutout(identity: Identity) -> Image.Image:
    """The identity as RGBA, cut tight, ``DENSITY`` times as large as in a scene at scale 1."""
    model = MODELS[identity.category]
    canvas = Canvas(100, model.height, model.size * DENSITY / 100)
    model.draw(canvas, identity)
    return canvas.finish()
