"""What a room looks like before anything is put into it: a plan of its fixed things, in pixels."""

import dataclasses

import numpy as np

# Left, top, right, bottom; pixels.
Box = tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class Room:
    """The fixed, unlabelled things of a room.

    Attributes:
        size: width and height of the picture, pixels
        zoom: how near the room is seen, 1 on average
        floor_y: where the wall meets the floor
        sideboard: stands at the wall; things stand on its top edge
        shelf: a board on the wall, or None; things stand on its top edge
        window: on the wall, or None
        frames: pictures on the wall
        rug: the box of an ellipse on the floor, or None
    """

    size: tuple[int, int]
    zoom: float
    floor_y: float
    sideboard: Box
    shelf: Box | None
    window: Box | None
    frames: tuple[Box, ...]
    rug: Box | None

    @property
    def fixtures(self) -> list[Box]:
        """What hangs on the wall already; of a shelf, with the space over it."""
        fixed = [self.window, *self.frames]
        if self.shelf:
            x0, y0, x1, y1 = self.shelf
            fixed.append((x0, y0 - (x1 - x0) * 0.5, x1, y1))
        return [box for box in fixed if box is not None]


def plan_room(rng: np.random.Generator, size: tuple[int, int], *, shelf: bool = False) -> Room:
    """A room at random: three bays of wall hold the window, the pictures and the shelf, if there is one.

    Args:
        size: width and height, pixels
        shelf: whether there must be a shelf
    """
    width, height = size
    unit, zoom = height / 480, float(rng.uniform(0.76, 1.24))
    floor_y = height * rng.uniform(0.58, 0.67)
    bays = [(width * (i / 3 + 0.02), width * ((i + 1) / 3 - 0.02)) for i in rng.permutation(3)]
    has_shelf, has_window = shelf or rng.random() < 0.5, rng.random() < 0.7
    return Room(
        size,
        zoom,
        floor_y,
        _sideboard(rng, bays[0], floor_y, zoom * unit, width),
        _shelf(rng, bays[1], zoom * unit) if has_shelf else None,
        _window(rng, bays[2], floor_y) if has_window else None,
        _frames(rng, bays[0] if has_window else bays[2], unit),
        _rug(rng, size, floor_y) if rng.random() < 0.6 else None,
    )


def _sideboard(rng: np.random.Generator, bay: tuple[float, float], floor_y: float, scale: float, width: int) -> Box:
    half = rng.uniform(92, 120) * scale
    center = min(max((bay[0] + bay[1]) / 2 + rng.uniform(-30, 30) * scale, half + 6), width - half - 6)
    base = floor_y + rng.uniform(10, 22) * scale
    return center - half, base - rng.uniform(76, 98) * scale, center + half, base


def _shelf(rng: np.random.Generator, bay: tuple[float, float], scale: float) -> Box:
    top = rng.uniform(108, 126) * scale
    return bay[0], top, bay[1], top + 7 * scale


def _window(rng: np.random.Generator, bay: tuple[float, float], floor_y: float) -> Box:
    inset = (bay[1] - bay[0]) * rng.uniform(0.06, 0.16)
    return bay[0] + inset, floor_y * rng.uniform(0.08, 0.16), bay[1] - inset, floor_y * rng.uniform(0.6, 0.74)


def _frames(rng: np.random.Generator, bay: tuple[float, float], unit: float) -> tuple[Box, ...]:
    frames, x = [], bay[0] + rng.uniform(8, 24) * unit
    for _ in range(int(rng.integers(0, 3))):
        width = rng.uniform(44, 74) * unit
        top = rng.uniform(22, 56) * unit
        if x + width < bay[1]:
            frames.append((x, top, x + width, top + width * rng.uniform(0.8, 1.35)))
        x += width + rng.uniform(12, 20) * unit
    return tuple(frames)


def _rug(rng: np.random.Generator, size: tuple[int, int], floor_y: float) -> Box:
    width, height = size
    half, depth = width * rng.uniform(0.24, 0.38), (height - floor_y) * rng.uniform(0.24, 0.36)
    x, y = width * rng.uniform(0.35, 0.65), (floor_y + height) / 2 + (height - floor_y) * rng.uniform(0, 0.14)
    return x - half, y - depth, x + half, y + depth
