"""Scenes: rooms with things in them, every thing with its box, the same for the same seed."""

import dataclasses
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .catalogue import Identity, catalogue
from .cutouts import cutout
from .decor import paint_room, shadow_mask
from .layout import Placement, arrange
from .room import Box, plan_room

# Categories that share a deck, and how many cards of it scene after scene gets: one on average.
DECKS: tuple[tuple[tuple[str, ...], tuple[int, ...]], ...] = (
    (("armchair", "sofa"), (1, 1, 1, 1)),
    (("floor lamp", "plant"), (1, 0, 2, 1)),
    (("backpack", "stool"), (0, 1, 1, 2)),
    (("handbag", "sneaker"), (1, 2, 0, 1)),
    (("clock", "cushion"), (1, 1, 1, 1)),
    (("kettle", "mug"), (2, 1, 0, 1)),
    (("table lamp", "vase"), (1, 0, 2, 1)),
)


@dataclasses.dataclass(frozen=True)
class PlacedObject:
    """A thing in a scene.

    Attributes:
        identity: which thing it is
        bounding_box: ``(x, y, width, height)`` of its visible pixels, relative, from the top left
        mask: ``(h, w)`` bool, which of the pixels in its box are its own
    """

    identity: Identity
    bounding_box: Box
    mask: np.ndarray = dataclasses.field(repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Scene:
    """A picture, RGB, and the things in it, from the furthest to the nearest."""

    image: Image.Image
    objects: list[PlacedObject]


def compose(
    index: int,
    *,
    seed: int = 51,
    identities: Sequence[Identity] | None = None,
    size: tuple[int, int] = (640, 480),
) -> Scene:
    """One scene of an endless series, the same whenever it is asked for.

    Args:
        index: of the scene in the series
        seed: of the series, and of the catalogue where ``identities`` is None
        identities: the things to choose from; by default ``catalogue(seed)``
        size: width and height of the picture, pixels
    """
    chosen = deal(index, catalogue(seed) if identities is None else identities, seed=seed)
    rng = np.random.default_rng([seed, index, 1])
    on_boards = sum(identity.category in ("kettle", "mug", "table lamp", "vase") for identity in chosen)
    room = plan_room(rng, size, shelf=on_boards > 2)
    image = paint_room(room, np.random.default_rng([seed, index, 2]))
    placements = arrange(chosen, room, np.random.default_rng([seed, index, 3]))
    visible = furnish(image, placements)
    objects = [PlacedObject(p.identity, *seen) for p, seen in zip(placements, visible, strict=True) if seen is not None]
    return Scene(light(image, np.random.default_rng([seed, index, 4])), objects)


def deal(index: int, identities: Sequence[Identity], *, seed: int) -> list[Identity]:
    """The identities of one scene, no two alike.

    They are dealt from shuffled decks, so that scene after scene all identities appear equally often.
    """
    dealt = []
    for number, (categories, takes) in enumerate(DECKS):
        deck = [identity for identity in identities if identity.category in categories]
        if not deck:
            continue
        start = index // len(takes) * sum(takes) + sum(takes[: index % len(takes)])
        for position in range(start, start + takes[index % len(takes)]):
            order = np.random.default_rng([seed, number, position // len(deck)]).permutation(len(deck))
            dealt.append(deck[int(order[position % len(deck)])])
    return list(dict.fromkeys(dealt))


def furnish(image: Image.Image, placements: Sequence[Placement]) -> list[tuple[Box, np.ndarray] | None]:
    """Draw things into a picture; get the box and the mask of what remains visible of each, None where nothing does."""
    owners = np.zeros((image.height, image.width), np.int16)
    for number, placement in enumerate(placements, start=1):
        picture = posed(placement)
        x = round((placement.box[0] + placement.box[2] - picture.width) / 2)
        y = round(placement.box[3] - picture.height)
        x, y = min(max(x, 0), image.width - picture.width), min(max(y, 0), image.height - picture.height)
        if placement.grounded:
            cast_shadow(image, (x, y, picture.width, picture.height))
        image.paste(picture, (x, y), picture)
        solid = np.asarray(picture.getchannel("A")) > 127
        owners[y : y + picture.height, x : x + picture.width][solid] = number
    return [visible(owners, number) for number in range(1, len(placements) + 1)]


def posed(placement: Placement) -> Image.Image:
    """The cut-out of a placement, scaled, mirrored and turned, cut tight; RGBA."""
    x0, y0, x1, y1 = placement.box
    picture = cutout(placement.identity)
    if placement.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = picture.resize((max(1, round(x1 - x0)), max(1, round(y1 - y0))), Image.Resampling.BOX)
    if placement.angle:
        picture = picture.rotate(placement.angle, Image.Resampling.BICUBIC, expand=True)
    return picture.crop(picture.getchannel("A").point(lambda value: 255 * (value > 40)).getbbox())


def cast_shadow(image: Image.Image, box: tuple[int, int, int, int]) -> None:
    """A soft shadow where a thing touches what it stands on."""
    x, y, width, height = box
    wide, deep = max(4, round(width * 1.12)), max(4, round(min(width * 0.16, height * 0.5)))
    image.paste((34, 26, 34), (x + (width - wide) // 2, y + height - round(deep * 0.62)), shadow_mask(wide, deep, 130))


def visible(owners: np.ndarray, number: int) -> tuple[Box, np.ndarray] | None:
    """The relative box of the pixels that a thing owns, and which of it they are; ``owners`` is ``(height, width)``."""
    mine = owners == number
    columns, rows = np.flatnonzero(mine.any(axis=0)), np.flatnonzero(mine.any(axis=1))
    if not len(rows):
        return None
    height, width = owners.shape
    x, y = columns[0] / width, rows[0] / height
    box = float(x), float(y), float((columns[-1] + 1) / width - x), float((rows[-1] + 1) / height - y)
    return box, mine[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()


def light(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture under a light that is bright or dim, warm or cool, and comes from one side."""
    width, height = image.size
    warmth, side, gain = rng.uniform(-0.06, 0.06), rng.uniform(-0.1, 0.1), rng.uniform(0.86, 1.04)
    tint = np.array((1 + warmth, 1.0, 1 - warmth), np.float32) * gain
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None, None]
    field = 1 + side * x - 0.05 * y - 0.045 * (x * x + y * y)
    return Image.fromarray(np.clip(np.asarray(image) * (field * tint), 0, 255).astype(np.uint8))


def write(
    folder: str | os.PathLike[str],
    num_scenes: int = 60,
    *,
    seed: int = 51,
    identities: Sequence[Identity] | None = None,
    size: tuple[int, int] = (640, 480),
    first: int = 0,
) -> list[tuple[Path, list[PlacedObject]]]:
    """Write scenes as ``scene-0000.jpg`` and so on; the same seed writes the same bytes.

    Args:
        folder: made if it does not exist
        num_scenes: how many
        seed, identities, size: as ``compose`` takes them
        first: the index of the first scene

    Returns:
        the path and the objects of every scene
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    things = catalogue(seed) if identities is None else identities
    written = []
    for index in itertools.islice(itertools.count(first), num_scenes):
        scene = compose(index, seed=seed, identities=things, size=size)
        path = folder / f"scene-{index:04d}.jpg"
        unfinished = path.with_suffix(f".{os.getpid()}.part")  # another process may be reading the image
        scene.image.save(unfinished, "JPEG", quality=92)
        os.replace(unfinished, path)
        written.append((path, scene.objects))
    return written
