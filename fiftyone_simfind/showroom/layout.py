"""Where things stand: on the floor, on a board, on a sofa or on the wall, and hardly in each other's way."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from .catalogue import Identity
from .cutouts import DENSITY, MODELS, cutout
from .room import Box, Room

FURNITURE = ("sofa", "armchair", "floor lamp", "plant", "stool")
TABLEWARE = ("kettle", "table lamp", "vase", "mug")

# Of the smaller of two boxes, the share that may be common to both before another place is tried.
MAX_OVERLAP = 0.12


@dataclasses.dataclass(frozen=True)
class Placement:
    """An identity, the box that it shall fill and the order in which it is drawn.

    Attributes:
        box: left, top, right, bottom; pixels
        depth: things of lesser depth are drawn first
        angle: degrees, counter-clockwise
        flip: whether it is mirrored
        grounded: whether it throws a shadow on what it stands on
    """

    identity: Identity
    box: Box
    depth: float
    angle: float
    flip: bool
    grounded: bool


def arrange(
    identities: Sequence[Identity], room: Room, rng: np.random.Generator, *, tries: int = 40
) -> list[Placement]:
    """A place for every identity, in the order of drawing.

    The largest are placed first. Each tries some places at random and takes the first that is nearly free, or
    else the freest.
    """
    placed: list[Placement] = []
    ranks = [*FURNITURE[:2], *TABLEWARE, "clock", *FURNITURE[2:]]
    order = sorted(identities, key=lambda i: ranks.index(i.category) if i.category in ranks else len(ranks))
    for identity in order:
        best, least = None, np.inf
        for _ in range(tries):
            candidate = _propose(identity, room, placed, rng)
            overlap = _overlap(candidate, placed, room)
            if overlap < least:
                best, least = candidate, overlap
            if least <= MAX_OVERLAP:
                break
        if best is not None:
            placed.append(best)
    return sorted(placed, key=lambda placement: placement.depth)


def _propose(identity: Identity, room: Room, placed: list[Placement], rng: np.random.Generator) -> Placement:
    """One place at random where the identity might be."""
    if identity.category == "clock":
        return _on_wall(identity, room, rng)
    if identity.category in TABLEWARE:
        return _on_board(identity, room, rng)
    sofas = [p for p in placed if p.identity.category == "sofa"]
    if identity.category == "cushion" and sofas and rng.random() < 0.8:
        return _on_sofa(identity, room, sofas[0], rng)
    return _on_floor(identity, room, rng)


def _sized(identity: Identity, scale: float, room: Room) -> tuple[float, float]:
    """Width and height of the identity at a scale, pixels."""
    width, height = cutout(identity).size
    factor = scale * room.size[1] / 480 / DENSITY
    return width * factor, height * factor


def _stand(
    identity: Identity,
    room: Room,
    x: float,
    base: float,
    scale: float,
    depth: float,
    rng: np.random.Generator,
) -> Placement:
    """The identity with its foot at ``base`` and its middle at ``x``, or as near as the picture allows."""
    width, height = _sized(identity, scale, room)
    x = min(max(x, width / 2 + 2), room.size[0] - width / 2 - 2)
    base = min(max(base, height + 3), room.size[1] - 3)
    tilt = MODELS[identity.category].tilt
    angle, flip = float(rng.uniform(-tilt, tilt)), bool(rng.random() < 0.5)
    box = (x - width / 2, base - height, x + width / 2, base)
    return Placement(identity, box, depth, angle, flip, identity.category != "clock")


def _on_wall(identity: Identity, room: Room, rng: np.random.Generator) -> Placement:
    width, height = room.size
    x, base = rng.uniform(0.05, 0.95) * width, rng.uniform(0.16, 0.42) * height
    return _stand(identity, room, x, base, room.zoom * rng.uniform(0.8, 1.2), 0.0, rng)


def _on_board(identity: Identity, room: Room, rng: np.random.Generator) -> Placement:
    """On the sideboard, or on the shelf if there is one."""
    if room.shelf and rng.random() < 0.4:
        board, margin = room.shelf, 44 * room.zoom
    else:
        board, margin = room.sideboard, 0.0
    scale = room.zoom * rng.uniform(0.84, 1.12)
    half = _sized(identity, scale, room)[0] / 2
    x = rng.uniform(board[0] + half, max(board[2] - half - margin, board[0] + half + 1))
    return _stand(identity, room, x, board[1] + 2, scale, 1.0, rng)


def _on_sofa(identity: Identity, room: Room, sofa: Placement, rng: np.random.Generator) -> Placement:
    x0, y0, x1, y1 = sofa.box
    scale = room.zoom * rng.uniform(0.75, 0.95)
    width = _sized(identity, scale, room)[0]
    x = rng.choice([x0 + width * 0.75, x1 - width * 0.75])
    seated = _stand(identity, room, x, y0 + (y1 - y0) * 0.66, scale, sofa.depth + 0.01, rng)
    return dataclasses.replace(seated, grounded=False)


def _on_floor(identity: Identity, room: Room, rng: np.random.Generator) -> Placement:
    """On the floor: furniture near the wall, other things anywhere; nearer is larger."""
    near = (0.05, 0.55) if identity.category in FURNITURE else (0.15, 0.97)
    depth = rng.uniform(*near)
    base = room.floor_y + (room.size[1] - room.floor_y) * depth
    scale = room.zoom * (0.84 + 0.36 * depth) * rng.uniform(0.94, 1.06)
    return _stand(identity, room, rng.uniform(0, room.size[0]), base, scale, base, rng)


def _overlap(candidate: Placement, placed: list[Placement], room: Room) -> float:
    """How much the candidate and another thing share, of the smaller of the two.

    A clock shall not hang on a picture either, nor a sofa hide the sideboard.
    """
    seated = candidate.identity.category == "cushion" and not candidate.grounded
    shares = [0.0]
    for other in placed:
        if seated and other.identity.category == "sofa" and abs(candidate.depth - other.depth) < 0.1:
            continue
        shares.append(_common(candidate.box, other.box))
    if candidate.identity.category == "clock":
        shares += [_common(candidate.box, fixture) for fixture in room.fixtures]
    if candidate.identity.category in ("armchair", "sofa"):
        shares.append(0.5 * _common(candidate.box, room.sideboard))
    return max(shares)


def _common(a: Box, b: Box) -> float:
    """The area common to two boxes, over the area of the smaller."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
