"""Drawings of what people carry and wear: backpack, handbag, sneaker. Units as in furniture."""

import numpy as np

from .catalogue import COLORS, Identity
from .draw import BRASS, CREAM, INK, WOODS, Canvas, Paint, paint_of
from .outlines import box, curve, ellipse, tube


def backpack(canvas: Canvas, identity: Identity) -> None:
    """A backpack from the front: a domed body, a pocket, a zip and a loop to carry it by."""
    dome, pocket, straps, flap = identity.shape
    strap = Paint(COLORS[identity.accent], shade="round", dim=0.9)
    canvas.fill(tube([(38, 16), (42, 4), (58, 4), (62, 16)], 6), strap)
    if straps < 0.6:
        for x, bend in ((13, -9), (87, 9)):
            canvas.fill(tube([(x, 44), (x + bend, 70), (x + bend * 0.4, 108)], 9), strap)
    shoulder = 30 + 14 * dome
    right = [(50, 9), (76, 12 + 6 * dome), (88, shoulder), (91, 80), (88, 122), (50, 125)]
    body = [*right, *((100 - x, y) for x, y in right[-2:0:-1])]
    canvas.fill(curve(body), paint_of(identity, period=18))
    canvas.tone(tube([(18, 50), (26, 24), (50, 17), (74, 24), (82, 50)], 2), -0.5, 0.6)
    top = 66 + 12 * pocket
    canvas.tone(box(18, top - 1, 82, 119, 10), -0.4, 2.5)
    canvas.fill(box(20, top, 80, 117, 9), paint_of(identity, period=18, dim=1.06))
    if flap < 0.5:
        canvas.fill(box(19, top - 2, 81, top + 13, 6), strap)
        canvas.fill(box(46, top + 8, 54, top + 19, 2), Paint(BRASS))
    else:
        canvas.fill(box(26, top + 6, 74, top + 9, 1), Paint(INK, shade="flat"))
        canvas.fill(box(68, top + 5, 72, top + 17, 1.5), Paint(BRASS))
    canvas.tone(ellipse(34, 36, 10, 12), 0.3, 5)


def handbag(canvas: Canvas, identity: Identity) -> None:
    """A handbag: a tote, a flap bag or a bucket, with a handle and a clasp."""
    form, arc, flap, slant = identity.shape
    top, trim = 46, Paint((WOODS[1], INK, COLORS[identity.accent])[identity.seed % 3], shade="soft")
    crown = 4 + 14 * (1 - arc)
    canvas.fill(tube([(30, top + 6), (31, crown + 14), (50, crown), (69, crown + 14), (70, top + 6)], 5.5), trim)
    lean = 4 + 12 * slant
    if form < 0.4:
        body = np.array([(6, top), (94, top), (94 - lean, 108), (6 + lean, 108)])
    elif form < 0.75:
        body = curve([(14, top), (86, top), (95, 84), (88, 107), (50, 109), (12, 107), (5, 84)])
    else:
        body = np.array([(6 + lean, top), (94 - lean, top), (95, 108), (5, 108)])
    canvas.fill(body, paint_of(identity, period=17))
    if flap < 0.5:
        canvas.tone(box(14, top + 2, 86, top + 31, 8), -0.35, 2)
        front = np.array(
            [
                (13 + lean / 2, top - 2),
                (87 - lean / 2, top - 2),
                (80, top + 24),
                (50, top + 31),
                (20, top + 24),
            ]
        )
        canvas.fill(front, paint_of(identity, period=17, dim=1.08))
        canvas.fill(ellipse(50, top + 27, 5, 5), Paint(BRASS, shade="ball"))
    else:
        canvas.fill(box(5 + lean, top - 3, 95 - lean, top + 5, 2), trim)
        canvas.fill(box(43, top + 3, 57, top + 14, 3), Paint(BRASS, shade="ball"))
    canvas.tone(ellipse(28, top + 20, 7, 12), 0.25, 5)


def sneaker(canvas: Canvas, identity: Identity) -> None:
    """A sneaker from the side, toe to the right, low or high, with laces, a toe cap and a stripe."""
    height, cap, stripe, sole = identity.shape
    thick, collar = 8 + 4 * sole, (20 if height < 0.55 else 4)
    ground = 66
    base = ground - thick
    opening = [(7, collar), (20, collar + 3), (34, collar - 1), (46, collar + 10)]
    front = [(62, 34), (84, 42), (96, base - 4), (95, base + 3)]
    canvas.fill(curve([(6, base + 3), (4, base - 14), *opening, *front]), paint_of(identity, period=15))
    trim = Paint(COLORS[identity.accent], shade="soft")
    if cap < 0.65:
        canvas.fill(curve([(78, base + 3), (79, 45), (88, 44), (96, base - 3), (95, base + 3)]), trim)
    if stripe < 0.5:
        canvas.fill(tube([(22, base), (40, base - 8), (58, 38)], 6, 4), trim)
    else:
        canvas.fill(ellipse(25, (collar + base) / 2 + 3, 7, 7), trim)
    canvas.fill(ellipse(21, collar + 1.5, 14, 3.4), Paint(INK, shade="flat", dim=0.9))
    for rank in range(4):
        x, y = 42 + rank * 6.5, collar + 8 + rank * (34 - collar) * 0.24
        canvas.fill(tube([(x - 4, y + 9), (x + 3, y)], 2.6), Paint(CREAM, shade="flat"))
    canvas.fill(box(2, base, 98, ground, 5), Paint(CREAM, shade="soft"))
    canvas.fill(box(3, ground - 3, 97, ground, 1.5), Paint(COLORS[identity.color], shade="flat", dim=0.8))
    canvas.tone(ellipse(70, 42, 12, 3), 0.35, 3)
