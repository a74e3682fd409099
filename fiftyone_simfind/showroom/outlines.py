"""Closed outlines as points: `(n, 2)` float arrays of x and y, in the units of a drawing, y downwards."""

from collections.abc import Sequence

import numpy as np

Point = tuple[float, float]


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> np.ndarray:
    """A rectangle, with round corners if ``radius`` is positive."""
    if radius <= 0:
        return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], float)
    r = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    corners = [(x1 - r, y0 + r, -90), (x1 - r, y1 - r, 0), (x0 + r, y1 - r, 90), (x0 + r, y0 + r, 180)]
    return np.concatenate([ellipse(cx, cy, r, r, start, start + 90, 10) for cx, cy, start in corners])


def ellipse(
    cx: float, cy: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0, count: int = 60
) -> np.ndarray:
    """An ellipse, or the arc of it from ``start`` to ``stop`` degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, stop, count))
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)


def curve(points: Sequence[Point], *, closed: bool = True, steps: int = 10) -> np.ndarray:
    """A smooth line through the points, by a uniform Catmull-Rom spline."""
    knots = np.asarray(points, float)
    if closed:
        padded = np.concatenate([knots[-1:], knots, knots[:2]])
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [_catmull_rom(padded[i : i + 4], t) for i in range(len(padded) - 3)]
    return np.concatenate([*pieces, padded[-2:-1]])


def _catmull_rom(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    linear, square, cube = p[2] - p[0], 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3], 3 * (p[1] - p[2]) + p[3] - p[0]
    return 0.5 * (2 * p[1] + linear * t + square * t**2 + cube * t**3)


def turned(profile: Sequence[Point], cx: float = 50.0) -> np.ndarray:
    """A thing made on a lathe, from ``(half width, y)`` pairs top to bottom, mirrored about ``x = cx``."""
    half = curve(profile, closed=False)
    right = np.stack([cx + half[:, 0], half[:, 1]], axis=1)
    left = np.stack([cx - half[::-1, 0], half[::-1, 1]], axis=1)
    return np.concatenate([right, left])


def tube(points: Sequence[Point], width: float, end_width: float | None = None) -> np.ndarray:
    """A bent tube along a smooth line, ``width`` thick, tapering to ``end_width``."""
    line = curve(points, closed=False)
    ahead = np.gradient(line, axis=0)
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) / np.maximum(np.linalg.norm(ahead, axis=1), 1e-9)[:, None]
    half = np.linspace(width, width if end_width is None else end_width, len(line))[:, None] / 2
    return np.concatenate([line + normal * half, (line - normal * half)[::-1]])


def turn(outline: np.ndarray, degrees: float, about: Point) -> np.ndarray:
    """The outline turned clockwise about a point."""
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return (outline - about) @ matrix + about
