"""A small canvas that fills outlines with patterned, shaded paint; all things are drawn on it."""

import dataclasses

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .catalogue import COLORS, RGB, Identity

CREAM: RGB = (246, 240, 226)
INK: RGB = (62, 58, 60)
BRASS: RGB = (206, 170, 98)
WOODS: tuple[RGB, ...] = ((176, 124, 78), (142, 96, 62), (204, 160, 112), (98, 70, 52))


@dataclasses.dataclass(frozen=True)
class Paint:
    """What an outline is filled with.

    Attributes:
        color: of the ground
        accent: of the pattern upon it
        pattern: one of ``PATTERNS``
        period: of the pattern, in units of the drawing
        shade: one of ``"flat"``, ``"soft"``, ``"round"`` and ``"ball"``
        dim: a factor of brightness, below 1 for parts that lie back
    """

    color: RGB
    accent: RGB = CREAM
    pattern: str = "plain"
    period: float = 18.0
    shade: str = "soft"
    dim: float = 1.0


def paint_of(identity: Identity, *, period: float = 18.0, shade: str = "soft", dim: float = 1.0) -> Paint:
    """The paint that an identity wears: its colour, with its pattern in its accent."""
    color, accent = COLORS[identity.color], COLORS[identity.accent]
    return Paint(color, accent, identity.pattern, period, shade, dim)


class Canvas:
    """A transparent picture of ``width`` by ``height`` units, ``density`` pixels to the unit."""

    def __init__(self, width: float, height: float, density: float):
        self.density = density
        self.image = Image.new("RGBA", (round(width * density), round(height * density)))

    def fill(self, outline: np.ndarray, paint: Paint) -> None:
        """Fill an outline, `(n, 2)` float, units, with paint."""
        points = outline * self.density
        left, top = np.maximum(np.floor(points.min(axis=0)), 0).astype(int)
        right, bottom = np.minimum(np.ceil(points.max(axis=0)) + 1, self.image.size).astype(int)
        if right <= left or bottom <= top:
            return
        mask = _mask(points - (left, top), (right - left, bottom - top))
        layer = render(paint, (right - left, bottom - top), (left, top), self.density)
        self.image.paste(layer, (int(left), int(top)), mask)

    def tone(self, outline: np.ndarray, strength: float, blur: float = 2.0) -> None:
        """Lighten (positive) or darken (negative strength, to -1) what is drawn within an outline, softly."""
        mask = _mask(outline * self.density, self.image.size)
        mask = mask.filter(ImageFilter.GaussianBlur(blur * self.density))
        mask = mask.point(lambda value: int(value * abs(strength)))
        alpha = self.image.getchannel("A")
        layer = Image.new("RGBA", self.image.size, (255, 255, 255, 0) if strength > 0 else (24, 18, 36, 0))
        layer.putalpha(alpha)
        self.image.paste(layer, (0, 0), ImageChops.multiply(mask, alpha))

    def finish(self) -> Image.Image:
        """The picture with softly darkened edges, cut to what is drawn on it."""
        alpha = self.image.getchannel("A")
        blurred = np.asarray(alpha.filter(ImageFilter.GaussianBlur(2.2 * self.density)), np.float32) / 255
        pixels = np.asarray(self.image, np.float32).copy()
        pixels[..., :3] *= np.clip(0.56 + 0.47 * blurred, 0, 1)[..., None]
        return Image.fromarray(pixels.astype(np.uint8)).crop(alpha.getbbox())


def render(paint: Paint, size: tuple[int, int], origin: tuple[int, int], density: float) -> Image.Image:
    """A rectangle of paint, RGB, ``size`` pixels.

    The pattern hangs from the canvas, so that it runs on from part to part; the shade fits the rectangle.
    """
    width, height = size
    x = (np.arange(width, dtype=np.float32) + origin[0]) / density
    y = (np.arange(height, dtype=np.float32)[:, None] + origin[1]) / density
    ink = _pattern(paint.pattern, x / paint.period, y / paint.period)
    ink = np.broadcast_to(ink, (height, width))[..., None]
    color = np.asarray(paint.color, np.float32) * (1 - ink) + np.asarray(paint.accent, np.float32) * ink
    u = np.linspace(0, 1, width, dtype=np.float32)
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    light = np.broadcast_to(_shade(paint.shade, u, v) * paint.dim, (height, width))[..., None]
    return Image.fromarray(np.clip(_lit(color, light), 0, 255).astype(np.uint8))


def _lit(color: np.ndarray, light: np.ndarray) -> np.ndarray:
    """Colour under light: darker below 1; above 1 towards white, so that highlights do not change the hue."""
    return np.where(light <= 1, color * light, color + (255 - color) * (light - 1))


def _pattern(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much of the accent is seen at x and y, in periods: from 0 to 1."""
    if name == "stripes":
        return ((x % 1) < 0.42).astype(np.float32)
    if name == "bands":
        return ((y % 1) < 0.42).astype(np.float32)
    if name == "dots":
        shifted = x + 0.5 * (np.floor(y) % 2)
        return (((shifted % 1 - 0.5) ** 2 + (y % 1 - 0.5) ** 2) < 0.085).astype(np.float32)
    if name == "checks":
        return 0.5 * ((x % 1) < 0.5) + 0.5 * ((y % 1) < 0.5)
    if name == "zigzag":
        return (((y - np.abs(x % 1 - 0.5) * 1.1) % 1) < 0.42).astype(np.float32)
    return np.zeros((1, 1), np.float32)


def _shade(name: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Light at u and v, from 0 at the left and top to 1 at the right and bottom."""
    if name == "round":
        return 0.74 + 0.42 * np.exp(-(((u - 0.3) / 0.34) ** 2)) - 0.05 * v
    if name == "ball":
        distance = np.hypot(u - 0.34, v - 0.28)
        return 1.2 - 0.52 * distance + 0.1 * np.exp(-((distance / 0.16) ** 2))
    if name == "soft":
        return 1.08 - 0.22 * v - 0.06 * np.abs(u - 0.45)
    return 1.02 - 0.08 * v


def _mask(points: np.ndarray, size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", (int(size[0]), int(size[1])))
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in points], fill=255)
    return mask
