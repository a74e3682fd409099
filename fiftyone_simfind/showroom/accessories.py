"""Drawings of the small things of a home: clock, cushion, kettle, mug, vase. Units as in furniture."""

import numpy as np

from .catalogue import COLORS, Identity
from .draw import BRASS, CREAM, INK, WOODS, Canvas, Paint, paint_of
from .outlines import box, curve, ellipse, tube, turn, turned


def clock(canvas: Canvas, identity: Identity) -> None:
    """A wall clock, round, square or octagonal, the dial in the identity's paint."""
    form, rim, hour, minute = identity.shape
    rims = (WOODS[0], INK, BRASS, CREAM)
    width = 5 + 5 * rim
    canvas.fill(_clock_outline(form, 48), Paint(rims[identity.seed % 4], shade="ball"))
    canvas.fill(_clock_outline(form, 48 - width), paint_of(identity, period=17, shade="ball", dim=0.97))
    canvas.tone(_clock_outline(form, 48 - width), -0.12, 1)
    ring = Paint(CREAM if identity.color != "white" else INK, shade="flat")
    canvas.fill(ellipse(50, 50, 23, 23), Paint(CREAM, shade="flat"))
    for tick in range(12):
        mark = box(48.6, 12 + width - 5, 51.4, (20 if tick % 3 == 0 else 17) + width - 5)
        canvas.fill(turn(mark, tick * 30, (50, 50)), ring)
    for length, thickness, share in ((15, 4.2, hour), (21, 2.8, minute)):
        hand = box(50 - thickness / 2, 50 - length, 50 + thickness / 2, 54, 1)
        canvas.fill(turn(hand, 360 * share, (50, 50)), Paint(INK, shade="flat"))
    canvas.fill(ellipse(50, 50, 3.4, 3.4), Paint(COLORS[identity.color], shade="flat"))


def _clock_outline(form: float, radius: float) -> np.ndarray:
    if form < 0.5:
        return ellipse(50, 50, radius, radius)
    if form < 0.75:
        return box(50 - radius, 50 - radius, 50 + radius, 50 + radius, radius * 0.35)
    return ellipse(50, 50, radius * 1.02, radius * 1.02, 22.5, 382.5, 9)


def cushion(canvas: Canvas, identity: Identity) -> None:
    """A cushion, square or oblong, with pointed corners and a seam."""
    oblong, plump, piping, _ = identity.shape
    height = 92 if oblong < 0.6 else 66
    sag, m = (2 + 4 * (1 - plump)) * height / 92, height / 2
    corners = [(4, 4), (50, 4 + sag), (96, 4), (96 - sag, m), (96, height - 4), (50, height - 4 - sag * 0.5)]
    outline = curve([*corners, (4, height - 4), (4 + sag, m)])
    canvas.fill(outline, paint_of(identity, period=18, shade="ball", dim=1.02))
    for x, y in ((6, 6), (94, 6), (94, height - 6), (6, height - 6)):
        inwards = (50 + (x - 50) * 0.55, m + (y - m) * 0.55)
        canvas.tone(tube([(x, y), inwards], 4, 1), -0.22, 2)
    canvas.tone(ellipse(40, m * 0.62, 24, m * 0.25), 0.22, 7)
    if piping < 0.5:
        inner = (50, m) + (outline - (50, m)) * 0.96
        seam = np.concatenate([outline, inner[::-1]])
        canvas.fill(seam, Paint(COLORS[identity.accent], shade="flat", dim=0.95))


def mug(canvas: Canvas, identity: Identity) -> None:
    """A mug with its handle to the right, straight, tapered or bellied, full of coffee."""
    form, height, grip, drink = identity.shape
    top, bottom = 20 - 12 * height, 88
    middle = (top + bottom) / 2
    outer = [(88 + 6 * grip, top + 16), (92 + 5 * grip, middle + 4), (84, bottom - 20)]
    handle = tube([(66, top + 15), *outer, (64, bottom - 14)], 9.5)
    canvas.fill(handle, Paint(COLORS[identity.color], shade="round", dim=0.92))
    waist = {0: (0, 0), 1: (-2, -10), 2: (6, -6)}[int(form * 3)]
    profile = [(34, top), (34 + waist[0], middle), (34 + waist[1], bottom - 5), (26 + waist[1], bottom)]
    canvas.fill(turned(profile, 38), paint_of(identity, period=15, shade="round"))
    canvas.fill(ellipse(38, top, 34, 7), Paint(COLORS[identity.color], shade="flat", dim=1.12))
    liquid = (92, 60, 42) if drink < 0.6 else (196, 142, 74)
    canvas.fill(ellipse(38, top + 1, 30, 5), Paint(liquid, shade="flat"))
    canvas.tone(tube([(15, top + 14), (15, middle), (16, bottom - 16)], 6), 0.5, 2)


def kettle(canvas: Canvas, identity: Identity) -> None:
    """A kettle with its spout to the left, a lid with a knob, and a handle in an arc above."""
    form, height, arc, knob = identity.shape
    grip = Paint(WOODS[identity.seed % 4] if knob < 0.6 else INK, shade="round")
    top = 42 - 8 * height
    side = 24 + 6 * arc
    bow = [(58 - side, top + 16), (58 - side + 2, 16), (58, 5), (58 + side - 2, 16), (58 + side, top + 16)]
    canvas.fill(tube(bow, 5), Paint(INK, shade="round"))
    canvas.fill(tube([(58 - side * 0.55, 9), (58, 5), (58 + side * 0.55, 9)], 9), grip)
    spout = tube([(32, 76), (16, 62), (5, top)], 18, 7)
    canvas.fill(spout, Paint(COLORS[identity.color], shade="round", dim=0.92))
    belly = {0: (34, 40, 36), 1: (22, 38, 42), 2: (36, 38, 32)}[int(form * 3)]
    profile = [(16, top), (belly[0], top + 12), (belly[1], 74), (belly[2], 94), (belly[2] - 6, 98)]
    canvas.fill(turned(profile, 58), paint_of(identity, period=17, shade="round"))
    canvas.fill(ellipse(58, top + 2, 19, 6), Paint(COLORS[identity.accent], shade="round"))
    canvas.fill(ellipse(58, top - 5, 6, 5.5), grip)
    canvas.tone(ellipse(40, 68, 5, 14), 0.6, 2.4)


def vase(canvas: Canvas, identity: Identity) -> None:
    """A vase, turned on a lathe in one of four forms, with a dark mouth and a lip."""
    form, height, neck, belly = identity.shape
    top, bottom, wide, slim = 34 - 26 * height, 148, 32 + 10 * belly, 9 + 8 * neck
    span = bottom - top
    # Half widths, and how far down they are: from 0 at the lip to 1 at the foot.
    forms = [
        [(slim + 4, 0), (slim, 0.25), (wide, 0.62), (20, 1)],
        [(slim + 8, 0), (wide, 0.3), (wide * 0.72, 0.7), (18, 1)],
        [(slim + 12, 0), (slim + 2, 0.45), (wide * 0.8, 0.8), (wide * 0.66, 1)],
        [(slim, 0), (slim, 0.36), (wide, 0.66), (wide * 0.95, 0.86), (24, 1)],
    ]
    profile = [(half, top + span * share) for half, share in forms[int(form * 4)]]
    canvas.fill(turned(profile), paint_of(identity, period=17, shade="round"))
    lip = profile[0][0]
    canvas.fill(ellipse(50, top, lip + 1.5, 4.5), Paint(COLORS[identity.color], shade="round", dim=1.08))
    canvas.fill(ellipse(50, top, lip - 2, 2.8), Paint(INK, shade="flat", dim=0.8))
    canvas.tone(ellipse(50 - wide * 0.45, top + span * 0.62, 4, span * 0.16), 0.55, 2.4)
