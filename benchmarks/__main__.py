"""How long objects with vectors take, beside FiftyOne's own way to find the objects alone.

Prints a table in Markdown. Every measurement is a process of its own, so that no alternative inherits the threads or
the caches of another, and the alternatives take turns, so that a busy machine slows them alike.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WARM_UP = 4  # images


def main() -> None:
    args = parse_args()
    if args.only:
        print("RESULT", json.dumps(measure(args)))
        return
    folder = args.images or showroom_images(args.count)
    seconds: dict[str, list[float]] = {name: [] for name in ALTERNATIVES}
    for number in range(args.rounds):
        for name in ALTERNATIVES:
            seconds[name].append(run(name, args, folder))
            print(
                f"round {number + 1}: {name}: {seconds[name][-1] * 1000:.1f} ms an image", file=sys.stderr, flush=True
            )
    report(seconds, args)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--images", type=Path, help="folder of images; default is the showroom")
    parser.add_argument("--model", default="showroom.pt", help="YOLO weights (default: showroom.pt)")
    parser.add_argument("--count", type=int, default=96, help="at most this many images (default: 96)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each alternative (default: 5)")
    parser.add_argument("--only", choices=list(ALTERNATIVES), help=argparse.SUPPRESS)
    return parser.parse_args()


def showroom_images(count: int) -> Path:
    from fiftyone_simfind import showroom

    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    showroom.write(folder, count)
    return folder


def run(name: str, args: argparse.Namespace, folder: Path) -> float:
    """Seconds an image of one alternative, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks", "--only", name, "--images", str(folder), "--model", args.model]
    done = subprocess.run([*command, "--count", str(args.count)], capture_output=True, text=True)
    results = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
    return json.loads(results[-1])


def measure(args: argparse.Namespace) -> float:
    """Seconds an image of one alternative, after a warm-up on a few."""
    import fiftyone as fo

    files = sorted(path for path in args.images.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    files = files[: args.count]
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=str(path)) for path in files], progress=False)
    work = ALTERNATIVES[args.only](args.model)
    try:
        work(dataset.limit(WARM_UP), "warm_up")
        started = time.perf_counter()
        work(dataset, "objects")
        return (time.perf_counter() - started) / len(files)
    finally:
        dataset.delete()


def simfind_detect(model: str) -> Any:
    import fiftyone_simfind as simfind

    return lambda view, field: simfind.detect(view, label_field=field, model=model, progress=False)


def apply_model(model: str, **options: Any) -> Any:
    from ultralytics import YOLO

    from fiftyone_simfind.models.weights import find

    network = YOLO(find(model))
    return lambda view, field: view.apply_model(network, label_field=field, progress=False, **options)


ALTERNATIVES = {
    "apply_model, boxes only": apply_model,
    "apply_model, boxes only, batch_size=8": lambda model: apply_model(model, batch_size=8),
    "simfind.detect, boxes and vectors": simfind_detect,
}


def report(seconds: dict[str, list[float]], args: argparse.Namespace) -> None:
    base = next(iter(seconds))
    print(f"\n{args.count} images, {Path(args.model).name}, {args.rounds} rounds\n")
    print("| | ms an image, median (min to max) | ratio to the first row, median of rounds |\n| --- | --- | --- |")
    for name, values in seconds.items():
        ms = [1000 * value for value in values]
        ratio = statistics.median(value / first for value, first in zip(values, seconds[base], strict=True))
        print(f"| {name} | {statistics.median(ms):.1f} ({min(ms):.1f} to {max(ms):.1f}) | {ratio:.2f} |")


if __name__ == "__main__":
    main()
