"""Colours as vectors: the mean of the vectors of some pixels tells how alike their colours are as a whole."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS = 32  # of each of red, green and blue
DIM = 64
WIDTHS = (0.1, 0.2)  # of the kernel, in units of CIELAB / 100: just noticeable, and plainly different, colours
SEED = 1

_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = _TO_XYZ.sum(axis=1)


def lab(rgb: ArrayLike) -> NDArray[np.float64]:
    """sRGB ``(..., 3)`` in [0, 1] as CIELAB, D65, divided by 100 (CIE 15, IEC 61966-2-1)."""
    x = np.asarray(rgb, dtype=np.float64)
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([1.16 * f[..., 1] - 0.16, 5 * (f[..., 0] - f[..., 1]), 2 * (f[..., 1] - f[..., 2])], axis=-1)


@cache
def table() -> NDArray[np.float32]:
    """A vector for every colour: ``(STEPS ** 3, DIM)`` float32, red slowest.

    The dot product of two rows is about a Gaussian kernel of the colours' distance in CIELAB (A. Rahimi and B. Recht,
    "Random features for large-scale kernel machines", 2007), so the mean over an object's pixels stands for the
    distribution of its colours (A. Smola et al., "A Hilbert space embedding for distributions", 2007). Half of the
    features belong to each of ``WIDTHS``.
    """
    axis = (np.arange(STEPS) + 0.5) / STEPS
    colors = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    widths = np.repeat(WIDTHS, DIM // 2 // len(WIDTHS))
    frequencies = np.random.default_rng(SEED).standard_normal((3, DIM // 2)) / widths
    angles = lab(colors) @ frequencies
    return (np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(DIM // 2)).astype(np.float32)
