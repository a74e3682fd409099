"""How long it takes to get the images most like one of a catalogue: by a search, and from the table of neighbours.

Prints a table in Markdown. Vectors are made up, one for each image, around some centres. Making the index and the table
is a process of its own, and so are the queries; the database is made for this, and removed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

FIELD, VECTORS = "whole", "embedding"
K = 10
CHUNK = 1000  # images written at a time
ROWS = {
    "index_s": "the index, from the saved vectors, s",
    "table_s": "the table of the 10 nearest of every image, s",
    "made_gb": "... peak memory of the process that made both, GB",
    "first_ms": "the first search in a fresh process, loading included, ms",
    "search_ms": "a search, k=10, mean, ms",
    "search_p95_ms": "... 95 of 100 take less than, ms",
    "load_ms": "loading the table, ms",
    "table_ms": "a look into the table, mean, ms",
    "asked_gb": "... peak memory of the process that asked, GB",
}


def main() -> None:
    args = parse_args()
    if args.step:
        print("RESULT", json.dumps(STEPS[args.step](args.sizes[0], args.dim, args.queries)))
        return
    from benchmarks.app.__main__ import mongod

    with (
        tempfile.TemporaryDirectory(prefix="simfind-bench-", ignore_cleanup_errors=True) as folder,
        mongod(Path(folder)) as environment,
    ):
        found = [measure(size, args, environment) for size in args.sizes]
    report(args, found)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fashion", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 44_000], help="images (10000 44000)")
    parser.add_argument("--dim", type=int, default=512, help="numbers of a vector (default: 512, as of vgg16)")
    parser.add_argument("--queries", type=int, default=200, help="queries of each kind (default: 200)")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(size: int, args: argparse.Namespace, environment: dict[str, str]) -> dict[str, float]:
    """The figures of one size, each step in a process of its own."""
    found: dict[str, float] = {}
    for step in STEPS:
        command = [sys.executable, "-m", "benchmarks.fashion", "--sizes", str(size), "--dim", str(args.dim)]
        command += ["--queries", str(args.queries), "--step", step]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        results = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        if done.returncode or not results:
            raise SystemExit(f"{step}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
        print(f"{size}: {step}: {results[-1]}", file=sys.stderr, flush=True)
        found |= json.loads(results[-1])
    return found


def report(args: argparse.Namespace, found: Sequence[dict[str, float]]) -> None:
    """Print the table."""
    print(f"\nVectors of {args.dim} numbers, {args.queries} queries of each kind:\n")
    print(f"|  | {' | '.join(f'{size:,} images' for size in args.sizes)} |")
    print("| --- " * (len(found) + 1) + "|")
    for name, text in ROWS.items():
        print(f"| {text} | {' | '.join(f'{of_size[name]:.3g}' for of_size in found)} |")


def name_of(size: int, dim: int) -> str:
    """The dataset's name."""
    return f"bench-fashion-{size}-{dim}"


def make(size: int, dim: int, queries: int) -> dict[str, float]:
    """A dataset of images that are not there, with a vector for each."""
    import fiftyone as fo

    import fiftyone_simfind as simfind
    from benchmarks.index import data
    from fiftyone_simfind import _fields

    dataset = fo.Dataset(name_of(size, dim), persistent=True)
    for start in range(0, size, CHUNK):
        numbers = range(start, min(start + CHUNK, size))
        samples = [fo.Sample(filepath=f"/nowhere/{i}.jpg", kind=data.CLASSES[i % 20]) for i in numbers]
        dataset.add_samples(samples, progress=False)
    simfind.whole_images(dataset, label_field="kind")
    path = f"{FIELD}.detections"
    _fields.prepare_vectors(dataset, f"{path}.{VECTORS}", {"model": "made up"}, overwrite=False)
    ids, labels = dataset.values("id"), dataset.values(f"{path}.id", unwind=True)
    for start in range(0, size, CHUNK):
        some = slice(start, min(start + CHUNK, size))
        rows = zip(ids[some], labels[some], data.vectors(len(ids[some]), dim, seed=start), strict=True)
        _fields.write_vectors(dataset, f"{path}.{VECTORS}", rows)
    return {}


def table(size: int, dim: int, queries: int) -> dict[str, float]:
    """Making the index and the table of neighbours."""
    import fiftyone as fo

    import fiftyone_simfind as simfind
    from benchmarks.index.steps import peak

    dataset = fo.load_dataset(name_of(size, dim))
    _, index = seconds(lambda: simfind.build_index(dataset, FIELD))
    _, neighbors = seconds(lambda: simfind.compute_neighbors(dataset, k=K))
    return {"index_s": index, "table_s": neighbors, "made_gb": peak()}


def ask(size: int, dim: int, queries: int) -> dict[str, float]:
    """Queries in a process that has only just been started; both ways find the same."""
    import fiftyone as fo

    import fiftyone_simfind as simfind
    from benchmarks.index.steps import peak

    dataset = fo.load_dataset(name_of(size, dim))
    ids = random.Random(7).sample(dataset.values(f"{FIELD}.detections.id", unwind=True), queries + 2)
    first = sum(seconds(lambda i=i: simfind.search(dataset, i, k=K))[1] for i in ids[:1])
    simfind.search(dataset, ids[1], k=K)  # after the first one torch is imported, which the second waits for
    searched = [seconds(lambda i=i: simfind.search(dataset, i, k=K)) for i in ids[2:]]
    known, load = seconds(lambda: simfind.load_neighbors(dataset))
    known.of(ids[0])
    looked = [seconds(lambda i=i: known.of(i)) for i in ids[2:]]
    for (found, _), (near, _) in zip(searched, looked, strict=True):
        if found.ids != [one.label_id for one in near]:
            raise SystemExit(f"a search finds {found.matches}, and the table says {near}")
    taken = sorted(1000 * each for _, each in searched)
    return {
        "first_ms": 1000 * first,
        "search_ms": sum(taken) / len(taken),
        "search_p95_ms": taken[int(0.95 * len(taken))],
        "load_ms": 1000 * load,
        "table_ms": 1000 * sum(each for _, each in looked) / len(looked),
        "asked_gb": peak(),
    }


def seconds(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and how long it takes."""
    started = time.perf_counter()
    given = work()
    return given, time.perf_counter() - started


STEPS: dict[str, Callable[[int, int, int], dict[str, float]]] = {"make": make, "table": table, "ask": ask}


if __name__ == "__main__":
    main()
