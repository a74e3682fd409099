"""How long the nearest neighbours of all objects take, beside the matrix products alone.

Prints a table in Markdown. All alternatives share one process and take turns, so that a busy machine slows them alike.
Alternatives that would take too long ask for a part of the objects only, among all, and their time is scaled up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

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
    seconds: dict[str, list[float]] = {name: [] for name in alternatives}
    for number in range(args.rounds):
        for name, (work, asked) in alternatives.items():
            started = time.perf_counter()
            work()
            seconds[name].append((time.perf_counter() - started) * args.count / asked)
            print(f"round {number + 1}: {name}: {seconds[name][-1]:.1f} s", file=sys.stderr, flush=True)
    report(seconds, {name: asked for name, (_, asked) in alternatives.items()}, args)


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


def report(seconds: dict[str, list[float]], asked: dict[str, int], args: argparse.Namespace) -> None:
    base = next(iter(seconds))
    print(f"\n{args.count:,} vectors of {args.dim} numbers, k={args.k}, {args.rounds} rounds\n")
    print("| | s, median (min to max) | ratio to the first row, median of rounds |\n| --- | --- | --- |")
    for name, values in seconds.items():
        ratio = statistics.median(value / first for value, first in zip(values, seconds[base], strict=True))
        scaled = "" if asked[name] == args.count else f", scaled up from {asked[name]:,}"
        spread = f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"
        print(f"| {name}{scaled} | {spread} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
