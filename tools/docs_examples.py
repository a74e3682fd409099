"""Draw the pictures of the documents that need no browser: what the examples write, and those of the showroom.

Part of ``make pictures``. With names of examples, only theirs are drawn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs" / "images"
QUALITY, WIDTH = 82, 1400
GAP = 12  # pixels between scenes

# Networks whose weights lie on this machine, where torchvision's server cannot be asked for them.
MATERIAL = os.environ.get("SIMFIND_TEST_DATA")
WEIGHTS = {"mobilenet_v2": f"mobilenet_v2:{MATERIAL}/weights/mobilenet_v2.pth"} if MATERIAL else {}

# Of each example: its options, and which picture of the documents what it writes becomes.
EXAMPLES: dict[str, tuple[list[str], dict[str, str]]] = {
    "demo": (["--no-app"], {"matches.png": "matches"}),
    "find_object": (
        [],
        {
            "matches.png": "find-object",
            "features.png": "find-object-features",
            "location.png": "find-object-location",
        },
    ),
    "product_search": (["--model", "mobilenet_v2"], {"product_search.png": "product_search"}),
    "rooms": (["--model", "mobilenet_v2"], {"query.png": "rooms", "correspondence.png": "rooms-correspondence"}),
    "shoes": (["--crops", "mobilenet_v2"], {"shoes.png": "shoes"}),
    "fashion": (["--model", "mobilenet_v2"], {"fashion.png": "fashion"}),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join([*EXAMPLES, *DRAWN])} (default: all)")
    names = parser.parse_args().names or [*EXAMPLES, *DRAWN]
    for name in names:
        with tempfile.TemporaryDirectory(prefix="simfind-docs-") as folder:
            if name in DRAWN:
                DRAWN[name](Path(folder))
            else:
                run(name, Path(folder))
    return 0


def run(name: str, folder: Path) -> None:
    """Run an example, and keep what it draws."""
    options, pictures = EXAMPLES[name]
    options = [WEIGHTS.get(option, option) for option in options]
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *options, "--out", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    for written, kept in pictures.items():
        keep(Image.open(folder / written), kept)


def why(folder: Path) -> None:
    """A search by looks, and where each match is like its target: the lines of the README."""
    import fiftyone_simfind as simfind
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(num_scenes=40, folder=folder / "scenes")
    simfind.detect(dataset, model="showroom.pt", progress=False)
    simfind.build_index(dataset, "objects")
    target = dataset.first().objects.detections[0]
    simfind.search(dataset, target, k=5, emphasis={"kind": 0, "shape": 0}).plot(folder / "why.png", explain=True)
    keep(Image.open(folder / "why.png"), "why")
    dataset.delete()


def showroom(folder: Path) -> None:
    """Six scenes."""
    from fiftyone_simfind.showroom.scenes import compose

    scenes = [compose(number).image for number in range(6)]
    across, down = (side + GAP for side in scenes[0].size)
    sheet = Image.new("RGB", (3 * across - GAP, 2 * down - GAP), "white")
    for number, scene in enumerate(scenes):
        sheet.paste(scene, (number % 3 * across, number // 3 * down))
    keep(sheet, "showroom")


def keep(picture: Image.Image, name: str) -> None:
    """Put a picture into the documents, no wider than a page shows it."""
    made = picture.convert("RGB")
    if made.width > WIDTH:
        made = made.resize((WIDTH, round(made.height * WIDTH / made.width)), Image.Resampling.LANCZOS)
    made.save(KEPT / f"{name}.jpg", quality=QUALITY, optimize=True)
    print(f"docs/images/{name}.jpg", flush=True)


DRAWN = {"why": why, "showroom": showroom}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
