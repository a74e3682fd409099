"""The unlabelled things of a room, painted at twice their size: window, pictures, shelf, sideboard, rug."""

import numpy as np
from PIL import Image, ImageDraw

from .catalogue import COLORS, RGB
from .draw import BRASS, CREAM, WOODS
from .room import Box, Room
from .walls import FLOORS, WALLS, paint_floor, paint_wall, pick, toned

SCALE = 2


def paint_room(room: Room, rng: np.random.Generator) -> Image.Image:
    """The bare room as RGB, ``room.size`` pixels."""
    image = Image.new("RGB", (room.size[0] * SCALE, room.size[1] * SCALE))
    floor_y = round(room.floor_y * SCALE)
    paint_wall(image, floor_y, rng)
    paint_floor(image, floor_y, rng)
    draw = ImageDraw.Draw(image)
    if room.window:
        window(draw, doubled(room.window), rng)
    for frame in room.frames:
        picture(draw, doubled(frame), rng)
    if room.rug:
        rug(draw, doubled(room.rug), rng)
    if room.shelf:
        shelf(draw, doubled(room.shelf), rng)
    soften(image, doubled(room.sideboard))
    sideboard(draw, doubled(room.sideboard), rng)
    return image.reduce(SCALE)


def doubled(box: Box) -> Box:
    """A box of the scene in pixels of the larger picture."""
    x0, y0, x1, y1 = (round(value * SCALE) for value in box)
    return x0, y0, x1, y1


def soften(image: Image.Image, box: Box) -> None:
    """A soft shadow around the foot of what stands at the wall."""
    x0, y0, x1, y1 = (int(value) for value in box)
    width, height = int((x1 - x0) * 1.16), int((y1 - y0) * 0.3)
    corner = (x0 - (width - (x1 - x0)) // 2, y1 - int(height * 0.55))
    image.paste((30, 24, 30), corner, shadow_mask(width, height, 110))


def shadow_mask(width: int, height: int, strength: int) -> Image.Image:
    """An ellipse that fades towards its edge, L, ``strength`` of 255 at its middle."""
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fade = np.clip(1 - (x * x + y * y), 0, 1)
    return Image.fromarray((fade * strength).astype(np.uint8))


def window(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    """A window with a view of hills, and curtains beside it or none."""
    x0, y0, x1, y1 = box
    trim = CREAM if rng.random() < 0.7 else WOODS[int(rng.integers(4))]
    draw.rectangle((x0 - 12, y0 - 12, x1 + 12, y1 + 12), fill=toned(trim, 0.97))
    _view(draw, box, rng)
    for share in (0.5,) if rng.random() < 0.5 else (1 / 3, 2 / 3):
        x = x0 + (x1 - x0) * share
        draw.rectangle((x - 4, y0, x + 4, y1), fill=trim)
    if rng.random() < 0.5:
        draw.rectangle((x0, y0 + (y1 - y0) * 0.4 - 4, x1, y0 + (y1 - y0) * 0.4 + 4), fill=trim)
    draw.rectangle((x0 - 22, y1 + 10, x1 + 22, y1 + 24), fill=toned(trim, 0.9))
    draw.line((x0 - 22, y1 + 25, x1 + 22, y1 + 25), fill=toned(trim, 0.6), width=2)
    if rng.random() < 0.55:
        _curtains(draw, box, toned(pick(rng, WALLS), 0.96))


def _view(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    x0, y0, x1, y1 = box
    top, low = np.array((150, 196, 230)), np.array((232, 240, 240))
    if rng.random() < 0.25:
        top, low = np.array((232, 170, 140)), np.array((250, 226, 190))
    for y in range(int(y0), int(y1) + 1, 4):
        color = top + (low - top) * (y - y0) / (y1 - y0)
        draw.rectangle((x0, y, x1, min(y + 3, y1)), fill=tuple(int(value) for value in color))
    x = np.linspace(x0, x1, 40)
    for level, green in ((0.62, (164, 190, 168)), (0.78, (128, 166, 124))):
        phase, wave = rng.uniform(0, 6), rng.uniform(1.5, 3.5)
        hill = y0 + (y1 - y0) * (level + 0.05 * np.sin(phase + wave * 3.2 * (x - x0) / (x1 - x0)))
        draw.polygon([(x0, y1), *zip(x.tolist(), hill.tolist(), strict=True), (x1, y1)], fill=green)


def _curtains(draw: ImageDraw.ImageDraw, box: Box, color: RGB) -> None:
    x0, y0, x1, y1 = box
    span, bottom = (x1 - x0) * 0.2, y1 + 46
    for left in (x0 - 30, x1 + 30 - span):
        for fold in range(6):
            a, b = left + span * fold / 6, left + span * (fold + 1) / 6
            draw.rectangle((a, y0 - 26, b, bottom), fill=toned(color, (1.04, 0.96, 0.88)[fold % 3]))
    draw.rectangle((x0 - 48, y0 - 32, x1 + 48, y0 - 24), fill=toned(BRASS, 0.8))


def picture(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    """A framed picture of simple shapes, in the colours of the things, so that colour alone finds nothing."""
    x0, y0, x1, y1 = box
    frame = (CREAM, (60, 58, 60), *WOODS)[int(rng.integers(6))]
    draw.rectangle((x0 + 6, y0 + 8, x1 + 8, y1 + 10), fill=(120, 112, 108))
    draw.rectangle(box, fill=frame)
    draw.rectangle((x0 + 8, y0 + 8, x1 - 8, y1 - 8), fill=toned(CREAM, 0.98))
    m, width, height = 18, x1 - x0, y1 - y0
    draw.rectangle((x0 + m, y0 + m, x1 - m, y1 - m), fill=pick(rng, WALLS))
    for _ in range(int(rng.integers(2, 5))):
        color = toned(list(COLORS.values())[int(rng.integers(len(COLORS)))], 0.97)
        radius = rng.uniform(0.08, 0.2) * min(width, height)
        x = rng.uniform(x0 + m + radius, x1 - m - radius)
        y = rng.uniform(y0 + m + radius, y1 - m - radius)
        corners = (x - radius, y - radius, x + radius, y + radius)
        (draw.ellipse if rng.random() < 0.6 else draw.rectangle)(corners, fill=color)


def rug(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    """An oval or oblong rug with borders of two colours."""
    x0, y0, x1, y1 = box
    outer = toned(list(COLORS.values())[int(rng.integers(len(COLORS)))], rng.uniform(0.85, 1.0))
    blend = np.array(outer) * 0.45 + np.array(pick(rng, WALLS)) * 0.55
    tones = [tuple(int(v) for v in blend), toned(CREAM, 0.94), tuple(int(v) for v in blend * 1.06)]
    oval, slant = rng.random() < 0.5, (y1 - y0) * 0.3
    for ring, share in enumerate((0.0, 0.08, 0.13, 0.3)):
        dx, dy = (x1 - x0) / 2 * share, (y1 - y0) / 2 * share
        a, b, c, d = x0 + dx, y0 + dy, x1 - dx, y1 - dy
        fill = tones[ring % 3]
        if oval:
            draw.ellipse((a, b, c, d), fill=fill)
        else:
            draw.polygon(((a + slant, b), (c - slant, b), (c, d), (a, d)), fill=fill)


def shelf(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    """A board on two brackets, with a few books at one end."""
    x0, y0, x1, y1 = box
    wood = WOODS[int(rng.integers(4))]
    draw.rectangle((x0 + 4, y1, x1 - 4, y1 + 6), fill=(128, 116, 108))
    draw.rectangle(box, fill=wood)
    draw.line((x0, y0, x1, y0), fill=toned(wood, 1.2), width=3)
    for x in (x0 + 30, x1 - 40):
        draw.polygon(((x, y1), (x + 10, y1), (x, y1 + 26)), fill=toned(wood, 0.7))
    books(draw, x1 - rng.uniform(50, 90), x1 - 6, y0, rng)


def books(draw: ImageDraw.ImageDraw, x0: float, x1: float, bottom: float, rng: np.random.Generator) -> None:
    """Books side by side, upright."""
    while x0 < x1 - 8:
        width, height = rng.uniform(9, 20), rng.uniform(54, 84)
        color = toned(list(COLORS.values())[int(rng.integers(len(COLORS)))], rng.uniform(0.75, 1.0))
        right = min(x0 + width, x1)
        draw.rectangle((x0, bottom - height, right, bottom - 1), fill=color)
        draw.line((x0, bottom - height, x0, bottom - 1), fill=toned(color, 0.7), width=2)
        band = bottom - height * 0.75
        draw.line((x0 + 3, band, right - 2, band), fill=toned(color, 1.35), width=3)
        x0 = right + 1


def sideboard(draw: ImageDraw.ImageDraw, box: Box, rng: np.random.Generator) -> None:
    """A sideboard with drawers, or a table with four legs."""
    x0, y0, x1, y1 = box
    wood = (*WOODS, toned(CREAM, 0.95), pick(rng, FLOORS))[int(rng.integers(6))]
    top = y0 + 12
    foot = y1 - (y1 - y0) * 0.18
    for x, slant in ((x0 + 18, -8), (x1 - 28, 8)):
        leg = ((x, top), (x + 12, top), (x + 9 + slant, y1), (x + 2 + slant, y1))
        draw.polygon(leg, fill=toned(wood, 0.7))
    if rng.random() < 0.65:
        _drawers(draw, (x0 + 6, top, x1 - 6, foot), wood, int(rng.integers(2, 4)), int(rng.integers(1, 3)))
    else:
        draw.rectangle((x0 + 14, top, x1 - 14, top + (y1 - y0) * 0.16), fill=toned(wood, 0.84))
    draw.rounded_rectangle((x0, y0, x1, top + 3), 4, fill=toned(wood, 1.05))
    draw.line((x0 + 4, y0 + 1, x1 - 4, y0 + 1), fill=toned(wood, 1.25), width=2)
    draw.line((x0 + 4, top + 4, x1 - 4, top + 4), fill=toned(wood, 0.6), width=3)


def _drawers(draw: ImageDraw.ImageDraw, box: Box, wood: RGB, columns: int, rows: int) -> None:
    x0, y0, x1, y1 = box
    draw.rectangle(box, fill=toned(wood, 0.9))
    width, height = (x1 - x0) / columns, (y1 - y0 - 6) / rows
    for column in range(columns):
        for row in range(rows):
            a, b = x0 + column * width + 5, y0 + 6 + row * height + 4
            c, d = a + width - 10, b + height - 9
            face, edge, middle = toned(wood, 1.0 - 0.05 * row), toned(wood, 0.66), (a + c) / 2
            draw.rectangle((a, b, c, d), fill=face, outline=edge, width=2)
            draw.rounded_rectangle((middle - 12, b + 9, middle + 12, b + 15), 3, fill=toned(BRASS, 0.9))
