"""How fast objects get their vectors, beside FiftyOne's and ultralytics' own ways, and whether they stay the same.

Prints tables in Markdown. The alternatives of a table share one process and take turns, so that a busy machine slows
them alike; each starts with the threads that its user would have, and with a fresh dataset. A database of its own is
started for this. The photos and their networks are those of the folder that ``--data`` names; without it, the painted
scenes of the showroom are measured alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.app.__main__ import mongod

WEIGHTS = ("yolo11n.pt", "yolov8n.pt")
LABELLED = 320  # photos whose labels are known
PATCHED = 16  # images on which FiftyOne's second step is measured, which takes about a second for each


def main() -> None:
    args = parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="simfind-bench-", ignore_cleanup_errors=True) as folder,
        mongod(Path(folder)) as environment,
    ):
        os.environ.update(environment, YOLO_CONFIG_DIR=folder)  # before FiftyOne and ultralytics read it
        for section in args.sections:
            SECTIONS[section](args)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.throughput", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"any of {', '.join(SECTIONS)} (default: {' '.join(DEFAULT)})")
    parser.add_argument("--data", type=Path, default=os.environ.get("SIMFIND_TEST_DATA"), help="folder of photos")
    parser.add_argument("--sets", nargs="+", choices=["showroom", *WEIGHTS], default=["showroom", *WEIGHTS])
    parser.add_argument("--engines", nargs="+", default=["auto", "torch", "openvino", "onnx"])
    parser.add_argument("--count", type=int, default=64, help="images of each set (default: 64)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each alternative (default: 5)")
    parser.add_argument("--images", type=int, default=100_000, help="of the section memory (default: 100000)")
    args = parser.parse_args()
    args.sections = args.sections or list(DEFAULT)
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"there are no sections {sorted(unknown)}; there are {', '.join(SECTIONS)}")
    return args


def materials(args: argparse.Namespace, count: int) -> Iterator:
    """What was asked for and is there."""
    from benchmarks.throughput import data

    for name in args.sets:
        if name == "showroom":
            yield data.showroom(count)
        elif args.data:
            yield data.photos(args.data, name, count)


def speed(args: argparse.Namespace) -> None:
    """Boxes and vectors in the database, beside FiftyOne's boxes alone."""
    from benchmarks.throughput import detecting, turns

    for material in materials(args, args.count):
        taken = turns.take_turns(detecting.ways(material, args.engines), args.rounds)
        report(material, args, turns.table(taken, detecting.BASE))


def steps(args: argparse.Namespace) -> None:
    """FiftyOne's two steps, beside our one."""
    from benchmarks.throughput import patches, turns

    for material in materials(args, min(args.count, PATCHED)):
        taken = turns.take_turns(patches.two_steps(material), args.rounds)
        report(material, args, turns.table(taken, patches.OURS))


def crops(args: argparse.Namespace) -> None:
    """Crops of boxes that are there, by FiftyOne and by us."""
    from benchmarks.throughput import patches, turns

    for material in materials(args, min(args.count, PATCHED)):
        for network in patches.NETWORKS:
            taken = turns.take_turns(patches.second_step(material, network), args.rounds)
            report(material, args, turns.table(taken, next(iter(taken))))


def bare(args: argparse.Namespace) -> None:
    """What detect takes beside the passes of its engine alone."""
    from benchmarks.throughput import bare, turns

    for material in materials(args, args.count):
        loops = bare.torch_loops(material)
        report(material, args, turns.table(turns.take_turns(loops, args.rounds), next(iter(loops))))
        for engine in args.engines:
            ways = bare.ours(material, engine) | (bare.exported(material) if engine == "openvino" else {})
            if taken := turns.take_turns(ways, args.rounds):
                report(material, args, turns.table(taken, next(iter(taken))))


def accuracy(args: argparse.Namespace) -> None:
    """Mean average precision beside ultralytics' own, and the cosines of vectors to those of float32."""
    from benchmarks.throughput import accuracy

    for material in materials(args, LABELLED):
        if material.is_labelled:
            with tempfile.TemporaryDirectory(prefix="simfind-bench-") as folder:
                truth = accuracy.Truth(material, args.data, Path(folder))
                table = accuracy.table(truth, [engine for engine in args.engines if engine != "default"])
                print(f"\n{len(material.files)} {material.name}:\n\n{table}", flush=True)


def memory(args: argparse.Namespace) -> None:
    """What a run of many small images takes."""
    from benchmarks.throughput import memory

    with tempfile.TemporaryDirectory(prefix="simfind-bench-") as folder:
        print(f"\n{memory.table(args.images, Path(folder), args.engines[0])}", flush=True)


def report(material, args: argparse.Namespace, table: str) -> None:
    print(f"\n{len(material.files)} {material.name}, {args.rounds} rounds:\n\n{table}", flush=True)


SECTIONS = {"speed": speed, "bare": bare, "steps": steps, "crops": crops, "accuracy": accuracy, "memory": memory}
DEFAULT = ("speed", "bare", "steps", "crops", "accuracy")


if __name__ == "__main__":
    main()
