"""Rooms of classes: a folder for each kind of room, with scenes of the things that stand in such rooms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .catalogue import Identity, catalogue
from .decor import paint_room
from .layout import arrange
from .room import plan_room
from .scenes import deal, furnish, light

# What a room may hold; most things stand in more than one kind of room.
ROOMS: dict[str, tuple[str, ...]] = {
    "hall": ("sneaker", "handbag", "backpack", "stool", "floor lamp", "clock"),
    "kitchen": ("kettle", "mug", "stool", "clock", "plant", "vase"),
    "living room": ("sofa", "armchair", "cushion", "floor lamp", "plant", "vase"),
    "study": ("armchair", "table lamp", "mug", "clock", "backpack", "plant"),
}
HANDS = 2  # of things that are dealt for a room
DECORS = 4  # walls and floors that a kind of room is done in
SHARED = 2  # of them also those of the next kind
SIZE = (640, 480)  # pixels, at which a room is painted


def write_rooms(
    folder: str | os.PathLike[str],
    per_class: int = 20,
    *,
    seed: int = 51,
    size: tuple[int, int] = (320, 240),
    first: int = 0,
) -> list[Path]:
    """Write ``folder/<kind of room>/<number>.png``; the same seed writes the same pictures.

    Rooms of a kind have some things in common, and some walls and floors; half of both they share with other kinds.

    Args:
        folder: made if it does not exist
        per_class: rooms of each of the ``ROOMS``
        seed: other seeds give other rooms with other things
        size: width and height of a picture, pixels
        first: number of the first room of each kind; others are other rooms with the same things

    Returns:
        the paths, kind by kind
    """
    things, written = catalogue(seed), []
    for kind, (name, categories) in enumerate(ROOMS.items()):
        inside = Path(folder) / name
        inside.mkdir(parents=True, exist_ok=True)
        own = [thing for thing in things if thing.category in categories]
        for number in range(first, first + per_class):
            written.append(inside / f"{number:04d}.png")
            _room(kind, number, own, seed).resize(size, Image.Resampling.LANCZOS).save(written[-1])
    return written


def _room(kind: int, number: int, things: Sequence[Identity], seed: int) -> Image.Image:
    """A room of a kind, by its place among the ``ROOMS``; all things stand in the rooms of its kind equally often."""
    dealt = [thing for hand in range(HANDS) for thing in deal(number * HANDS + hand, things, seed=seed)]
    rngs = [np.random.default_rng([seed, kind, number, part]) for part in range(4)]
    room = plan_room(rngs[0], SIZE, shelf=True)
    decors = len(ROOMS) * (DECORS - SHARED)
    decor = (kind * (DECORS - SHARED) + int(rngs[3].integers(DECORS))) % decors
    image = paint_room(room, np.random.default_rng([seed, decor]))
    furnish(image, arrange(list(dict.fromkeys(dealt)), room, rngs[1]))
    return light(image, rngs[2])
