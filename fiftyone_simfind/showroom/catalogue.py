"""The things of the showroom: every identity has a category, a colour, a pattern and a shape of its own."""

import dataclasses

import numpy as np

RGB = tuple[int, int, int]

CATEGORIES = (
    "armchair",
    "backpack",
    "clock",
    "cushion",
    "floor lamp",
    "handbag",
    "kettle",
    "mug",
    "plant",
    "sneaker",
    "sofa",
    "stool",
    "table lamp",
    "vase",
)

COLORS: dict[str, RGB] = {
    "red": (203, 58, 56),
    "orange": (232, 126, 48),
    "yellow": (240, 193, 62),
    "green": (88, 152, 84),
    "teal": (38, 142, 146),
    "blue": (58, 104, 190),
    "purple": (128, 84, 164),
    "pink": (232, 134, 160),
    "brown": (134, 90, 60),
    "white": (240, 236, 226),
    "black": (58, 60, 68),
}

PATTERNS = ("plain", "stripes", "bands", "dots", "checks", "zigzag")

# How many random numbers describe a shape; each drawing reads them as it likes.
SHAPE_SIZE = 4


@dataclasses.dataclass(frozen=True)
class Identity:
    """One thing that recurs from scene to scene, such as the fourth mug of a catalogue.

    Attributes:
        name: the category and a number, unique in its catalogue, such as ``"mug-04"``
        category: one of ``CATEGORIES``, the label that a detector learns
        color: one of ``COLORS``
        pattern: one of ``PATTERNS``, drawn in ``accent`` upon ``color``
        accent: another of ``COLORS``
        shape: ``SHAPE_SIZE`` numbers in [0, 1) that choose proportions and variants
        seed: of the details that nobody names, such as the leaves of a plant
    """

    name: str
    category: str
    color: str
    pattern: str
    accent: str
    shape: tuple[float, ...]
    seed: int


def catalogue(seed: int = 51, per_category: int = 8) -> list[Identity]:
    """Identities of every category, no two of a category alike in colour and pattern.

    Args:
        seed: another seed is another catalogue
        per_category: how many identities each category has, at most ``len(COLORS) * len(PATTERNS)``

    Returns:
        ``len(CATEGORIES) * per_category`` identities, category by category
    """
    limit = len(COLORS) * len(PATTERNS)
    if not 1 <= per_category <= limit:
        raise ValueError(f"per_category is {per_category}; give a number from 1 to {limit}.")
    identities = []
    for number, category in enumerate(CATEGORIES):
        rng = np.random.default_rng([seed, number])
        identities += [
            _identity(rng, f"{category}-{rank + 1:02d}", category, color, pattern)
            for rank, (color, pattern) in enumerate(_looks(rng, per_category))
        ]
    return identities


def _identity(rng: np.random.Generator, name: str, category: str, color: str, pattern: str) -> Identity:
    shape = tuple(float(value) for value in np.floor(rng.random(SHAPE_SIZE) * 1e4) / 1e4)
    return Identity(name, category, color, pattern, _accent(rng, color), shape, int(rng.integers(1 << 31)))


def _looks(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """``count`` distinct pairs of colour and pattern.

    Colours are dealt from a palette smaller than ``count``, so that some identities share their colour and
    differ by their pattern alone: a search that only sees colour shall not be enough.
    """
    palette = list(rng.permutation(list(COLORS)))[: max(1, round(count * 0.75))]
    while len(palette) * len(PATTERNS) < count:
        palette = list(COLORS)
    looks: list[tuple[str, str]] = []
    while len(looks) < count:
        turns = rng.permutation(len(palette)) + rng.integers(len(PATTERNS))
        patterns = [PATTERNS[int(turn) % len(PATTERNS)] for turn in turns]
        dealt = [(str(color), pattern) for color, pattern in zip(palette, patterns, strict=True)]
        looks += [look for look in dealt if look not in looks]
    return looks[:count]


def _accent(rng: np.random.Generator, color: str) -> str:
    """A colour that stands out against another: far from it in lightness, most often white."""
    lightness = {name: float(np.dot(rgb, (0.3, 0.59, 0.11))) for name, rgb in COLORS.items()}
    apart = [name for name in COLORS if abs(lightness[name] - lightness[color]) > 55]
    if "white" in apart and rng.random() < 0.55:
        return "white"
    return str(rng.choice(apart))
