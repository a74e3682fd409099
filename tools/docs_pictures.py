"""Put the pictures that the browser tests took into the documents, smaller, and into one that moves."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
TAKEN, KEPT = ROOT / "test-artifacts", ROOT / "docs" / "images"
WIDTH, QUALITY = 1200, 82
# What the moving picture shows, and says below it.
SCENES = {
    "walk-1-set-up": "1  A folder of photos: choose a model, press one button",
    "walk-2-ready": "2  Objects, vectors and index are there",
    "walk-3-choose": "3  Tick an object",
    "walk-4-found": "4  Search: what looks like it, with scores",
    "walk-5-grid": "5  ... and in the grid, in order",
    "tab-photo": "Or give a photo of your own, and pick what you mean in it",
    "tab-map": "All objects as a map",
    "tab-quality": "How good is it? What is taken for what?",
}
GIF_WIDTH, BAR, COLORS, MILLISECONDS = 880, 44, 96, 2500


def main() -> int:
    taken = sorted(TAKEN.glob("docs-*.png"))
    if not taken:
        print(f"no pictures in {TAKEN}; run the tests of tests/app/test_pictures.py first", file=sys.stderr)
        return 1
    for path in taken:
        picture = Image.open(path).convert("RGB")
        height = round(picture.height * WIDTH / picture.width)
        smaller = picture.resize((WIDTH, height), Image.Resampling.LANCZOS)
        smaller.save(KEPT / f"{path.stem.removeprefix('docs-')}.jpg", quality=QUALITY, optimize=True)
        print(f"docs/images/{path.stem.removeprefix('docs-')}.jpg")
    first, *others = [scene(TAKEN / f"docs-{name}-light.png", words) for name, words in SCENES.items()]
    first.save(KEPT / "app.gif", save_all=True, append_images=others, duration=MILLISECONDS, loop=0, optimize=True)
    print("docs/images/app.gif")
    return 0


def scene(path: Path, words: str) -> Image.Image:
    """A frame of the moving picture: one that was taken, above what it shows, in few colours."""
    picture = Image.open(path).convert("RGB")
    height = round(picture.height * GIF_WIDTH / picture.width)
    frame = Image.new("RGB", (GIF_WIDTH, height + BAR), "#212529")
    frame.paste(picture.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS))
    draw = ImageDraw.Draw(frame)
    draw.text((GIF_WIDTH / 2, height + BAR / 2), words, "white", ImageFont.load_default(20), anchor="mm")
    return frame.quantize(COLORS, dither=Image.Dither.NONE)


if __name__ == "__main__":
    sys.exit(main())
