"""Walls and floors, painted at twice their size, so that their edges come out smooth."""

import numpy as np
from PIL import Image, ImageDraw

from .catalogue import RGB

WALLS: tuple[RGB, ...] = (
    (226, 214, 196), (206, 216, 202), (202, 214, 224), (232, 208, 198), (222, 222, 218), (214, 204, 222),
    (238, 226, 190), (178, 198, 186), (160, 180, 196), (204, 168, 148), (118, 138, 132), (104, 120, 146),
)  # fmt: skip
FLOORS: tuple[RGB, ...] = (
    (196, 156, 112), (170, 126, 86), (214, 184, 146), (138, 104, 78), (192, 186, 178), (164, 160, 160),
    (206, 196, 188),
)  # fmt: skip


def toned(color: RGB, gain: float) -> RGB:
    """A colour times a factor of brightness."""
    red, green, blue = (min(255, max(0, round(value * gain))) for value in color)
    return red, green, blue


def pick(rng: np.random.Generator, colors: tuple[RGB, ...]) -> RGB:
    """One of some colours, a little lighter or darker than named."""
    return toned(colors[int(rng.integers(len(colors)))], float(rng.uniform(0.95, 1.04)))


def paint_wall(image: Image.Image, floor_y: int, rng: np.random.Generator) -> None:
    """Paint the wall, from the top of the picture down to ``floor_y``, plain or with a decoration."""
    color = pick(rng, WALLS)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, image.width, floor_y), fill=color)
    decorations = (_plain, _plain, _stripes, _panels, _motif, _two_tone)
    decorations[int(rng.integers(len(decorations)))](draw, image.width, floor_y, color, rng)
    height = image.height // 42
    draw.rectangle((0, floor_y - height, image.width, floor_y), fill=toned(color, 1.1))
    draw.line((0, floor_y - height, image.width, floor_y - height), fill=toned(color, 0.86), width=2)
    draw.line((0, floor_y, image.width, floor_y), fill=toned(color, 0.6), width=3)


def _plain(draw: ImageDraw.ImageDraw, width: int, floor_y: int, color: RGB, rng: np.random.Generator) -> None:
    """Paint and nothing else."""


def _stripes(draw: ImageDraw.ImageDraw, width: int, floor_y: int, color: RGB, rng: np.random.Generator) -> None:
    step = int(rng.integers(36, 90))
    stripe = toned(color, float(rng.choice([0.94, 1.06])))
    for x in range(0, width, 2 * step):
        draw.rectangle((x, 0, x + step, floor_y), fill=stripe)


def _panels(draw: ImageDraw.ImageDraw, width: int, floor_y: int, color: RGB, rng: np.random.Generator) -> None:
    top, step, light, dark = (
        int(floor_y * 0.58),
        int(rng.integers(120, 220)),
        toned(color, 1.1),
        toned(color, 0.82),
    )
    draw.rectangle((0, top, width, floor_y), fill=toned(color, 1.06))
    draw.rectangle((0, top - 8, width, top), fill=light)
    draw.line((0, top + 2, width, top + 2), fill=dark, width=3)
    for x in range(int(rng.integers(-step, 0)), width, step):
        corners = (x + 16, top + 28, x + step - 16, floor_y - 40)
        draw.rectangle(corners, outline=dark, width=2)
        draw.rectangle(tuple(value + 3 for value in corners), outline=light, width=2)


def _motif(draw: ImageDraw.ImageDraw, width: int, floor_y: int, color: RGB, rng: np.random.Generator) -> None:
    step, ink, kind = (
        int(rng.integers(44, 80)),
        toned(color, float(rng.choice([0.92, 1.07]))),
        int(rng.integers(3)),
    )
    size = step * 0.2
    for row, y in enumerate(range(step // 2, floor_y, step)):
        for x in range((row % 2) * step // 2, width + step, step):
            if kind == 0:
                draw.ellipse((x - size, y - size, x + size, y + size), fill=ink)
            elif kind == 1:
                draw.polygon(((x, y - 1.6 * size), (x + size, y), (x, y + 1.6 * size), (x - size, y)), fill=ink)
            else:
                draw.arc((x - 2 * size, y - 2 * size, x + 2 * size, y + 2 * size), 180, 360, fill=ink, width=5)


def _two_tone(draw: ImageDraw.ImageDraw, width: int, floor_y: int, color: RGB, rng: np.random.Generator) -> None:
    top = int(floor_y * rng.uniform(0.45, 0.65))
    draw.rectangle((0, top, width, floor_y), fill=toned(pick(rng, WALLS), 0.92))
    draw.line((0, top, width, top), fill=toned(color, 1.1), width=6)


def paint_floor(image: Image.Image, floor_y: int, rng: np.random.Generator) -> None:
    """Paint the floor, from ``floor_y`` down: planks, tiles or carpet, in perspective."""
    color = pick(rng, FLOORS)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, floor_y, image.width, image.height), fill=color)
    kind = rng.random()
    if kind < 0.55:
        _planks(draw, image.size, floor_y, color, rng)
    elif kind < 0.8:
        _tiles(draw, image.size, floor_y, color, rng)


def _rays(size: tuple[int, int], floor_y: int, step: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Lines of the floor that meet in one point: their x at ``floor_y`` and at the foot of the picture."""
    width, height = size
    center, shrink = width * rng.uniform(0.4, 0.6), rng.uniform(0.42, 0.55)
    lines = np.arange(-width, 2 * width, step)
    return [(center + (x - center) * shrink, float(x)) for x in lines]


def _planks(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], floor_y: int, color: RGB, rng: np.random.Generator
) -> None:
    height, dark = size[1], toned(color, 0.8)
    rays = _rays(size, floor_y, float(rng.uniform(80, 130)), rng)
    for (a, b), (c, d) in zip(rays[:-1], rays[1:], strict=True):
        draw.polygon(((a, floor_y), (c, floor_y), (d, height), (b, height)), fill=toned(color, rng.uniform(0.93, 1.05)))
        draw.line((a, floor_y, b, height), fill=dark, width=2)
        seam = rng.uniform(0, 1) ** 1.5
        y = floor_y + seam * (height - floor_y)
        draw.line((a + (b - a) * seam, y, c + (d - c) * seam, y), fill=dark, width=2)


def _tiles(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], floor_y: int, color: RGB, rng: np.random.Generator
) -> None:
    height, other, chequered = size[1], toned(color, float(rng.choice([0.86, 1.1]))), rng.random() < 0.5
    rays = _rays(size, floor_y, float(rng.uniform(110, 170)), rng)
    rows = floor_y + (height - floor_y) * np.linspace(0, 1, int(rng.integers(5, 8))) ** 1.5
    for row, (top, bottom) in enumerate(zip(rows[:-1], rows[1:], strict=True)):
        s, t = ((y - floor_y) / (height - floor_y) for y in (top, bottom))
        for column, ((a, b), (c, d)) in enumerate(zip(rays[:-1], rays[1:], strict=True)):
            tile = (
                (a + (b - a) * s, top),
                (c + (d - c) * s, top),
                (c + (d - c) * t, bottom),
                (a + (b - a) * t, bottom),
            )
            fill = other if chequered and (row + column) % 2 else color
            draw.polygon(tile, fill=fill, outline=toned(color, 0.84))
