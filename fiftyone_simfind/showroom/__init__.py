"""A showroom of painted rooms: scenes with known objects that recur, and a small YOLO that finds them."""

from pathlib import Path

from .catalogue import CATEGORIES, COLORS, PATTERNS, Identity, catalogue
from .scenes import PlacedObject, Scene, compose, write

WEIGHTS = Path(__file__).with_name("showroom.pt")

__all__ = [
    "CATEGORIES",
    "COLORS",
    "PATTERNS",
    "WEIGHTS",
    "Identity",
    "PlacedObject",
    "Scene",
    "catalogue",
    "compose",
    "write",
]
