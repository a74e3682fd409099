"""Objects that look alike, from images to the App: ``make demo``.

On the showroom by default, or on a folder of your own photos::

    python examples/demo.py --images ~/photos --model yolo11n.pt
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

KEY, FIELD = "simfind", "objects"


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of photos; default is the showroom")
    parser.add_argument("--model", help="YOLO weights; default is the showroom's own, or yolo11n.pt for photos")
    parser.add_argument("--scenes", type=int, default=240, help="number of showroom scenes (default: 240)")
    parser.add_argument("--out", type=Path, default=ROOT / "demo", help="folder for what is written (default: demo)")
    parser.add_argument("--no-app", action="store_true", help="do not serve the App")
    parser.add_argument("--port", type=int, default=5151, help="first port to try for the App (default: 5151)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    os.environ["FIFTYONE_PLUGINS_DIR"] = str(plugins_folder(args.out))
    seconds: dict[str, float] = {}
    with stage("start FiftyOne", seconds):
        import fiftyone as fo

        import fiftyone_simfind as simfind
    with stage("images", seconds):
        dataset = photos(args.images) if args.images else showroom(args.out, args.scenes)
    with stage("objects and vectors", seconds):
        model = args.model or ("yolo11n.pt" if args.images else "showroom.pt")
        print(f"  {simfind.detect(dataset, label_field=FIELD, model=model, progress=True)}")
    if not dataset.count(f"{FIELD}.detections"):
        sys.exit("No objects found: there is nothing to search. Give photos of things that the model knows")
    with stage("index", seconds):
        if KEY not in dataset.list_brain_runs():
            simfind.build_index(dataset, FIELD, brain_key=KEY)
    with stage("UMAP", seconds), ticking("  computing; the first UMAP compiles for up to a minute"):
        if f"{KEY}_umap" not in dataset.list_brain_runs():
            simfind.visualize(dataset, brain_key=KEY, verbose=False)
    with stage("searches", seconds):
        targets = pick_targets(dataset)
        results = [simfind.search(dataset, target, k=7) for target in targets]
        simfind.plot_matches(results, args.out / "matches.png")
    summarize(dataset, seconds, args)
    if not args.no_app:
        serve(fo, simfind.sort_by_similarity(dataset, targets[0], k=100, include_query=True), args.port)


def plugins_folder(out: Path) -> Path:
    """A folder with nothing but a link to this plugin."""
    folder = out / "plugins"
    folder.mkdir(exist_ok=True)
    link = folder / "simfind"
    if not link.exists():
        link.symlink_to(ROOT, target_is_directory=True)
    return folder


def showroom(out: Path, scenes: int):
    """The showroom's dataset, made once."""
    import fiftyone as fo

    from fiftyone_simfind.showroom import dataset as rooms

    name = f"simfind-showroom-{scenes}"
    folder = out / "showroom"
    if fo.dataset_exists(name) and all(os.path.exists(path) for path in fo.load_dataset(name).values("filepath")):
        return fo.load_dataset(name)
    return rooms.load(scenes, name=name, folder=folder, persistent=True, overwrite=True, progress=True)


def photos(folder: Path):
    """The dataset of a folder of photos; images that came since the last time are added to it."""
    import fiftyone as fo
    import fiftyone.core.utils as fou

    if not folder.expanduser().is_dir():
        sys.exit(f"--images {folder} is no folder")
    name = fou.to_slug(f"simfind-{folder.expanduser().resolve().name}")
    dataset = fo.load_dataset(name) if fo.dataset_exists(name) else fo.Dataset(name, persistent=True)
    known = set(dataset.values("filepath"))
    images = fo.types.ImageDirectory
    found = fo.Dataset.from_dir(str(folder.expanduser().resolve()), dataset_type=images, progress=False)
    dataset.add_samples([s for s in found if s.filepath not in known], progress=False)
    found.delete()
    return dataset


def pick_targets(dataset, rows: int = 6) -> list[str]:
    """The surest object of each of some classes, the commonest classes first."""
    label_ids, labels, confidences = (
        dataset.values(f"{FIELD}.detections.{attribute}", unwind=True) for attribute in ("id", "label", "confidence")
    )
    best: dict[str, tuple[float, str]] = {}
    for label_id, label, confidence in zip(label_ids, labels, confidences, strict=True):
        best[label] = max(best.get(label, (0.0, "")), (confidence, label_id))
    common = sorted(best, key=lambda label: (-labels.count(label), label))
    random.Random(51).shuffle(common)
    return [best[label][1] for label in common[:rows]]


def summarize(dataset, seconds: dict[str, float], args: argparse.Namespace) -> None:
    print(f"\n{len(dataset)} images, {dataset.count(f'{FIELD}.detections')} objects")
    print("  " + ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items()))
    if not args.images:
        from fiftyone_simfind.showroom import quality

        measured = quality.measure(dataset, label_field=FIELD, progress=True)
        print(f"  of the 5 nearest objects, {measured.same_look:.1%} have the same category and colour")
        print(f"  the nearest is the same thing for {measured.same_identity:.1%} ({measured.queries} queries)")
    print(f"  targets and matches: {args.out / 'matches.png'}\n")


def serve(fo, view, port: int) -> None:
    """Serve the App on this machine only, until Ctrl-C."""
    port = next(p for p in range(port, port + 100) if is_free(p))
    headless = sys.platform.startswith("linux") and not os.environ.get("DISPLAY")
    session = fo.launch_app(view=view, address="127.0.0.1", port=port, remote=headless)
    print(f"The App is at http://127.0.0.1:{port}/datasets/{view._root_dataset.name}")
    print("Tick any patch and click the image-search button above the grid. Ctrl-C ends the App.")
    session.wait(-1)


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def stage(name: str, seconds: dict[str, float]) -> Iterator[None]:
    print(f"{name} ...", flush=True)
    started = time.monotonic()
    yield
    seconds[name] = time.monotonic() - started


@contextmanager
def ticking(label: str) -> Iterator[None]:
    """Count the seconds of something that cannot tell how far it is."""
    done = threading.Event()

    def tick() -> None:
        started = time.monotonic()
        while not done.wait(1.0):
            print(f"\r{label} ... {time.monotonic() - started:.0f} s", end="", flush=True)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        print()


if __name__ == "__main__":
    main()
