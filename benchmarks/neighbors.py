"""How long the nearest neighbours of all objects take, beside the matrix products alone.

Prints a table in Markdown. All alternatives share one process and take turns, so that a busy machine slows them alike;
on a very busy one look at the CPU seconds. Alternatives that would take too long ask for a part of the objects only,
among all, and their time is scaled up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind.numerics import neighbors
from fiftyone_simfind.numerics.vectors import normalize

BLOCK = int((neighbors.BUDGET / 16) ** 0.5)  # rows of a tile, as nearest() takes them

Vectors = NDArray[np.float32]


def main() -> None:
    args = parse_args()
    vectors = objects(args.count, args.dim)
    alternatives: dict[str, tuple[Callable[[], object], int]] = {
        "the products alone": (lambda: products(vectors), args.count),
        f"neighbors.nearest, k={args.k}": (lambda: neighbors.nearest(vectors, args.k), args.count),
    }
    if args.part:
        alternatives |= {name: (work, args.part) for name, work in others(vectors, args.k, args.part).items()}
    taken: dict[str, list[Taken]] = {name: [] for name in alternatives}
    for number in range(args.rounds):
        for name, (work, asked) in alternatives.items():
            taken[name].append(Taken.by(work, args.count / asked))
            print(f"round {number + 1}: {name}: {taken[name][-1]}", file=sys.stderr, flush=True)
    report(taken, {name: asked for name, (_, asked) in alternatives.items()}, args)


class Taken(NamedTuple):
    """What a piece of work has taken: time on the clock, and of all cores together, in seconds."""

    wall: float
    cpu: float

    @classmethod
    def by(cls, work: Callable[[], object], scale: float) -> Taken:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return cls((time.perf_counter() - wall) * scale, (time.process_time() - cpu) * scale)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.neighbors", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="objects (default: 100000)")
    parser.add_argument("--dim", type=int, default=256, help="numbers of a vector (default: 256)")
    parser.add_argument("--k", type=int, default=10, help="neighbours (default: 10)")
    parser.add_argument(
        "--part", type=int, default=1024, help="objects that others ask for, 0 for no others (default: 1024)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each alternative (default: 3)")
    args = parser.parse_args()
    args.part = min(args.part, args.count)
    return args


def objects(count: int, dim: int) -> Vectors:
    """Unit vectors around a thousand centres, in no order; as many centres as a large dataset has kinds of things."""
    rng = np.random.default_rng(51)
    centres = rng.standard_normal((1000, dim), dtype=np.float32)
    return normalize(centres[rng.integers(0, 1000, count)] + rng.standard_normal((count, dim), dtype=np.float32))


def others(vectors: Vectors, k: int, part: int) -> dict[str, Callable[[], object]]:
    """What one would otherwise do."""
    return {
        "the products, and argpartition of each row": lambda: partition(vectors, k, part),
        "scikit-learn, brute, cosine": sklearn(vectors, k, part, "cosine"),
        "scikit-learn, brute, euclidean": sklearn(vectors, k, part, "euclidean"),
    }


def products(vectors: Vectors) -> None:
    """All scores, a tile at a time into the same memory, and nothing else."""
    buffer = np.empty((BLOCK, BLOCK), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        for other in range(0, len(vectors), BLOCK):
            x, y = vectors[start : start + BLOCK], vectors[other : other + BLOCK]
            np.matmul(x, y.T, out=buffer.reshape(-1)[: len(x) * len(y)].reshape(len(x), len(y)))


def partition(vectors: Vectors, k: int, part: int) -> None:
    """What one would write first: all scores of some rows, and the best of each row."""
    step = max(1, neighbors.BUDGET // (4 * len(vectors)))
    for start in range(0, part, step):
        scores = vectors[start : min(start + step, part)] @ vectors.T
        np.argpartition(scores, -k - 1, axis=1)[:, -k - 1 :]


def sklearn(vectors: Vectors, k: int, part: int, metric: str) -> Callable[[], object]:
    from sklearn.neighbors import NearestNeighbors

    known = NearestNeighbors(n_neighbors=k + 1, algorithm="brute", metric=metric).fit(vectors)
    return lambda: known.kneighbors(vectors[:part])


def report(taken: dict[str, list[Taken]], asked: dict[str, int], args: argparse.Namespace) -> None:
    base = taken[next(iter(taken))]
    print(f"\n{args.count:,} vectors of {args.dim} numbers, k={args.k}, {args.rounds} rounds\n")
    print("| | s, median (min to max) | ratio to the first row, median of rounds | CPU s, median | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name, rounds in taken.items():
        wall, cpu = ([getattr(each, kind) for each in rounds] for kind in Taken._fields)
        pairs = list(zip(rounds, base, strict=True))
        walls = statistics.median(each.wall / first.wall for each, first in pairs)
        cpus = statistics.median(each.cpu / first.cpu for each, first in pairs)
        scaled = "" if asked[name] == args.count else f", scaled up from {asked[name]:,}"
        spread = f"{statistics.median(wall):.1f} ({min(wall):.1f} to {max(wall):.1f})"
        print(f"| {name}{scaled} | {spread} | {walls:.2f} | {statistics.median(cpu):.1f} | {cpus:.2f} |")


if __name__ == "__main__":
    main()
