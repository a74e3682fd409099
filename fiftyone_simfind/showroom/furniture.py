"""Drawings of the large things: armchair, sofa, stool, lamps, plant. Units: 100 to the width of a drawing."""

import numpy as np

from .catalogue import COLORS, Identity
from .draw import BRASS, INK, WOODS, Canvas, Paint, paint_of
from .outlines import Point, box, curve, ellipse, tube, turn, turned


def wood_of(identity: Identity, dim: float = 1.0, shade: str = "soft") -> Paint:
    """The wood, or dark metal, that an identity's legs are made of."""
    tones = (*WOODS, INK)
    return Paint(tones[identity.seed % len(tones)], shade=shade, dim=dim)


def legs(canvas: Canvas, identity: Identity, spans: list[Point], top: float, bottom: float) -> None:
    """Tapered legs from ``x`` at the top to another ``x`` at the bottom."""
    for start, stop in spans:
        leg = np.array([(start - 2.6, top), (start + 2.6, top), (stop + 1.3, bottom), (stop - 1.3, bottom)])
        canvas.fill(leg, wood_of(identity, shade="round"))


def armchair(canvas: Canvas, identity: Identity) -> None:
    """An armchair from the front: a rounded or winged back, arms, a seat cushion and tapered legs."""
    roundness, height, arms, _ = identity.shape
    top, body = 6 + 16 * (1 - height), paint_of(identity, period=15)
    legs(canvas, identity, [(20, 15), (80, 85)], 80, 99)
    if roundness < 0.5:
        back = box(14, top, 86, 78, 8 + 20 * roundness)
    else:
        back = curve([(18, 76), (13, 36), (22, top + 8), (50, top), (78, top + 8), (87, 36), (82, 76)])
    canvas.fill(back, body)
    canvas.tone(box(24, 46, 76, 60, 6), -0.45, 3)
    canvas.fill(box(18, 66, 82, 88, 4), paint_of(identity, period=15, dim=0.82))
    canvas.fill(box(20, 53, 80, 71, 7), paint_of(identity, period=15, dim=1.07))
    arm_top = 40 + 8 * arms
    for x0, x1 in ((3, 22), (78, 97)):
        canvas.tone(box(x0 - 1, arm_top + 1, x1 + 1, 88, 8), -0.3, 1.6)
        canvas.fill(box(x0, arm_top, x1, 89, 4 + 8 * arms), paint_of(identity, period=15))
    canvas.tone(box(22, 54, 78, 57, 2), 0.3, 1.2)


def sofa(canvas: Canvas, identity: Identity) -> None:
    """A sofa from the front, of two or three seats."""
    seats, height, arms, roundness = identity.shape
    count, top, inset = (2 if seats < 0.5 else 3), 4 + 6 * (1 - height), 9 + 5 * arms
    legs(canvas, identity, [(10, 9), (90, 91), (36, 36), (64, 64)], 42, 49.5)
    radius, arm_top = 2 + 6 * roundness, 15 + 6 * arms
    canvas.fill(box(6, top, 94, 42, radius + 2), paint_of(identity, period=9, dim=0.88))
    edges = np.linspace(inset, 100 - inset, count + 1)
    for x0, x1 in zip(edges[:-1], edges[1:], strict=True):
        canvas.fill(box(x0 + 0.3, top + 2.2, x1 - 0.3, 30, radius), paint_of(identity, period=9))
        canvas.tone(box(x0 + 3, top + 4, x1 - 6, top + 6, 1), 0.25, 1.2)
    canvas.tone(box(inset, 25, 100 - inset, 31), -0.5, 1.6)
    canvas.fill(box(5, 33, 95, 44.5, 2), paint_of(identity, period=9, dim=0.8))
    for x0, x1 in zip(edges[:-1], edges[1:], strict=True):
        canvas.fill(box(x0 + 0.2, 27, x1 - 0.2, 36.5, 2.6), paint_of(identity, period=9, dim=1.06))
        canvas.tone(box(x0, 35, x1, 38), -0.25, 0.7)
    for x0, x1 in ((1, inset + 1), (99 - inset, 99)):
        canvas.tone(box(x0 - 1, arm_top, x1 + 1, 45, 4), -0.3, 1.2)
        canvas.fill(box(x0, arm_top, x1, 45, 2 + 4 * roundness), paint_of(identity, period=9))


def stool(canvas: Canvas, identity: Identity) -> None:
    """A stool: an upholstered seat on splayed legs of its colour, with a rung or without."""
    thickness, splay, rung, roundness = identity.shape
    seat, spread = 18 + 16 * thickness, 4 + 8 * splay
    for x, dim in ((38, 0.7), (62, 0.7), (19, 1.0), (81, 1.0)):
        foot = x + (spread if x > 50 else -spread) * (0.5 if dim < 1 else 1)
        leg = tube([(x, seat - 6), (foot, 104 if dim == 1.0 else 97)], 7, 4.5)
        canvas.fill(leg, Paint(COLORS[identity.color], shade="round", dim=0.85 * dim))
    if rung < 0.6:
        canvas.fill(box(15, 68, 85, 73, 2), Paint(COLORS[identity.color], dim=0.72))
    canvas.tone(box(10, seat, 90, seat + 12), -0.6, 3)
    canvas.fill(box(10, seat - 4, 90, seat + 5, 3), Paint(COLORS[identity.color], dim=0.76))
    canvas.fill(box(6, 2, 94, seat, 6 + 12 * roundness), paint_of(identity, period=17))
    canvas.tone(box(16, 5, 76, 9, 3), 0.35, 2)


def lamp_shade(canvas: Canvas, identity: Identity, bottom: float, period: float) -> None:
    """A lamp shade in the identity's paint: a cone, a drum or a dome, glowing at its lower edge."""
    form, spread = identity.shape[0], 18 + 16 * identity.shape[1]
    if form < 0.4:
        outline = np.array([(50 - spread, 2), (50 + spread, 2), (96, bottom), (4, bottom)])
    elif form < 0.7:
        outline = box(12 - 6 * identity.shape[1], 2, 88 + 6 * identity.shape[1], bottom, 3)
    else:
        outline = np.concatenate([ellipse(50, bottom, 46, bottom - 2, 180, 360), [(96, bottom), (4, bottom)]])
    canvas.fill(outline, paint_of(identity, period=period, shade="round", dim=1.04))
    canvas.tone(ellipse(50, bottom, 40, bottom * 0.42), 0.42, 7)


def floor_lamp(canvas: Canvas, identity: Identity) -> None:
    """A floor lamp: a shade on a slender pole, on a disc or on three legs, painted like the shade."""
    _, _, stand, drop = identity.shape
    enamel = Paint(COLORS[identity.color], shade="round", dim=0.8)
    bottom = 62 + 16 * drop
    if stand < 0.5:
        canvas.fill(box(46.5, bottom - 4, 53.5, 318, 3), enamel)
        canvas.fill(ellipse(50, 319, 31, 8), enamel)
        canvas.tone(ellipse(44, 317, 18, 3), 0.35, 2)
    else:
        canvas.fill(box(46, bottom - 4, 54, 180, 3), enamel)
        for foot, dim in ((54, 0.6), (12, 0.8), (88, 0.8)):
            leg = tube([(50, 168), (foot, 324 if dim > 0.6 else 312)], 8, 5)
            canvas.fill(leg, Paint(COLORS[identity.color], shade="round", dim=dim))
    lamp_shade(canvas, identity, bottom, 21)


def table_lamp(canvas: Canvas, identity: Identity) -> None:
    """A table lamp: a shade over a turned foot in the accent colour."""
    _, _, form, drop = identity.shape
    bottom, foot = 52 + 12 * drop, Paint(COLORS[identity.accent], shade="round")
    canvas.fill(box(46, bottom - 4, 54, bottom + 14, 1), Paint(BRASS, shade="round"))
    top = bottom + 10
    if form < 0.35:
        profile = [(6, top), (24, top + 24), (26, top + 36), (15, 126)]
    elif form < 0.7:
        profile = [(7, top), (9, top + 12), (26, top + 46), (24, 126)]
    else:
        profile = [(17, top), (7, top + 14), (20, top + 32), (9, top + 48), (20, 126)]
    canvas.fill(turned(profile), foot)
    canvas.fill(box(24, 122, 76, 129, 3), Paint(COLORS[identity.accent], shade="round", dim=0.85))
    lamp_shade(canvas, identity, bottom, 21)


def plant(canvas: Canvas, identity: Identity) -> None:
    """A pot plant, broad-leaved, bladed or bushy, in a pot that wears the identity's colour and pattern."""
    kind, height, taper, rim = identity.shape
    rng = np.random.default_rng(identity.seed)
    green = np.array((70, 128, 74)) + rng.integers(-14, 22, 3)
    top = 8 + 26 * (1 - height)
    draw_leaves = blades if kind < 0.34 else broad_leaves if kind < 0.72 else bush
    draw_leaves(canvas, rng, green, top)
    bottom = 18 + 12 * taper
    pot = np.array([(18, 98), (82, 98), (50 + bottom + 2, 148), (50 - bottom - 2, 148)])
    canvas.tone(box(22, 84, 78, 98), -0.5, 3)
    canvas.fill(pot, paint_of(identity, period=17, shade="round"))
    if rim < 0.6:
        canvas.tone(box(14, 104, 86, 108), -0.4, 1.5)
        canvas.fill(box(14, 93, 86, 105, 3), paint_of(identity, period=17, shade="round", dim=1.05))


def _leaf_paint(green: np.ndarray, gain: float) -> Paint:
    color = np.clip(green * gain, 0, 255).astype(int)
    return Paint((int(color[0]), int(color[1]), int(color[2])), shade="soft")


def blades(canvas: Canvas, rng: np.random.Generator, green: np.ndarray, top: float) -> None:
    """Upright blades, as of a snake plant."""
    for rank, gain in enumerate((0.72, 0.8, 0.86, 1.0, 1.06, 1.18, 1.12)):
        foot = 50 + (rank - 3) * 5 + rng.uniform(-3, 3)
        tip = foot + (foot - 50) * 0.9 + rng.uniform(-8, 8)
        crown = top + abs(tip - 50) * 0.7 + rng.uniform(0, 10)
        middle = (foot + tip) / 2
        blade = curve([(foot - 5, 102), (middle - 7, 60), (tip, crown), (middle + 7, 60), (foot + 5, 102)])
        canvas.fill(blade, _leaf_paint(green, gain))
        canvas.tone(tube([(foot, 98), (middle, 60), (tip, crown + 8)], 2.2, 0.6), 0.35, 0.8)


def broad_leaves(canvas: Canvas, rng: np.random.Generator, green: np.ndarray, top: float) -> None:
    """Broad leaves on bent stalks, as of a rubber plant."""
    for rank in range(11):
        side = -1 if rank % 2 else 1
        reach, rise = side * rng.uniform(6, 36), rng.uniform(0, 1)
        end = (50 + reach, top + 14 + 52 * (1 - rise) + abs(reach) * 0.35)
        canvas.fill(tube([(50, 100), (50 + reach * 0.3, 84), end], 2.4, 1.6), _leaf_paint(green, 0.7))
        leaf = ellipse(end[0], end[1], 9, 17)
        leaf[:, 0] = end[0] + (leaf[:, 0] - end[0]) * np.clip(1.25 - (end[1] - leaf[:, 1]) / 34, 0.35, 1.3)
        angle = -(reach * 1.5 + side * rng.uniform(0, 18))
        canvas.fill(turn(leaf, angle, end), _leaf_paint(green, rng.uniform(0.78, 1.22)))
        vein = np.array([(end[0] - 0.8, end[1] + 14), (end[0] + 0.8, end[1] + 14), (end[0], end[1] - 14)])
        canvas.tone(turn(vein, angle, end), 0.5, 0.7)


def bush(canvas: Canvas, rng: np.random.Generator, green: np.ndarray, top: float) -> None:
    """A round bush of small leaves, on a short stem."""
    canvas.fill(box(46, 70, 54, 102), Paint(WOODS[1], shade="round"))
    center, radius = (50, top + 36), 34
    for rank in range(70):
        angle, distance = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.uniform(0, 1))
        x, y = center[0] + distance * np.cos(angle) * 1.1, center[1] + distance * np.sin(angle)
        light = 0.68 + 0.3 * rank / 70 + 0.28 * (center[1] - y) / radius * 0.7 + rng.uniform(-0.06, 0.06)
        leaf = turn(ellipse(x, y, 8, 5.5, count=16), float(rng.uniform(0, 180)), (x, y))
        canvas.fill(leaf, _leaf_paint(green, light))
