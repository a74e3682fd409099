"""Product photos of the catalogue: each thing alone before a plain background, several times, and a list of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .catalogue import COLORS, Identity, catalogue
from .cutouts import cutout
from .decor import shadow_mask
from .scenes import light

MANIFEST = "manifest.json"
LINK = "https://example.com/products/{}"


def photo(identity: Identity, number: int = 0, *, seed: int = 51, size: int = 224) -> Image.Image:
    """A product in a studio: another angle, side, size, light and background for each number.

    Args:
        identity: the product
        number: of the photo, of an endless series that is the same whenever it is asked for
        seed: of the series
        size: width and height, pixels
    """
    rng = np.random.default_rng([seed, identity.seed, number])
    image = _studio(rng, size)
    picture = _turned(cutout(identity), rng, size * rng.uniform(0.5, 0.85))
    x = round((size - picture.width) * rng.uniform(0.3, 0.7))
    y = round((size - picture.height) * rng.uniform(0.5, 0.8))
    deep = max(4, size // 14)
    shadow = shadow_mask(max(4, round(picture.width * 1.1)), deep, int(rng.integers(60, 130)))
    image.paste((40, 36, 42), (x - round(picture.width * 0.05), y + picture.height - round(deep * 0.6)), shadow)
    image.paste(picture, (x, y), picture)
    return light(image, rng)


def _studio(rng: np.random.Generator, size: int) -> Image.Image:
    """A wall that fades towards its foot, white or of a pale colour."""
    color = np.array(COLORS[str(rng.choice(list(COLORS)))], np.float32)
    pale = 255 - (255 - color) * rng.choice([0.0, 0.15, 0.35])
    fade = np.linspace(1.0, rng.uniform(0.86, 0.97), size, dtype=np.float32)[:, None, None]
    return Image.fromarray(np.broadcast_to(pale * fade, (size, size, 3)).clip(0, 255).astype(np.uint8))


def _turned(picture: Image.Image, rng: np.random.Generator, length: float) -> Image.Image:
    """A cut-out from another angle, its longer side ``length`` pixels, cut tight."""
    if rng.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    squeezed = round(picture.width * rng.uniform(0.8, 1.0)), picture.height
    picture = picture.resize(squeezed, Image.Resampling.BOX).rotate(
        rng.uniform(-10, 10), Image.Resampling.BICUBIC, expand=True
    )
    picture = picture.crop(picture.getchannel("A").point(lambda value: 255 * (value > 40)).getbbox())
    scale = length / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def write_products(
    folder: str | os.PathLike[str],
    per_product: int = 5,
    *,
    seed: int = 51,
    identities: Sequence[Identity] | None = None,
    size: int = 224,
    first: int = 0,
) -> Path:
    """Write photos of products and the manifest of them, for :func:`fiftyone_simfind.download_images`.

    Its entries have ``url``, a file beside the manifest, ``product``, the identity's name, ``link`` and ``sha256``.
    The same seed writes the same bytes.

    Args:
        folder: made if it does not exist
        per_product: photos of each product
        seed, size: as ``photo`` takes them; the seed also of the catalogue where ``identities`` is None
        identities: the products; by default ``catalogue(seed)``
        first: the number of the first photo of each product

    Returns:
        the path of the manifest, ``folder/manifest.json``
    """
    folder, entries = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for identity in catalogue(seed) if identities is None else identities:
        for number in range(first, first + per_product):
            path = folder / f"{identity.name.replace(' ', '-')}-{number}.jpg"
            photo(identity, number, seed=seed, size=size).save(path, quality=90)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            link = LINK.format(identity.name.replace(" ", "-"))
            entries.append({"url": f"file:{path.name}", "product": identity.name, "link": link, "sha256": digest})
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return manifest
