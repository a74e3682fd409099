"""Put the pictures that the browser tests took into the documents, smaller: ``make pictures``."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TAKEN, KEPT = ROOT / "test-artifacts", ROOT / "docs" / "images"
WIDTH, QUALITY = 1200, 82


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
    return 0


if __name__ == "__main__":
    sys.exit(main())
