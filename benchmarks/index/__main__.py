"""What it costs to build, load and search an index of many objects: ours beside Brain's own "sklearn".

Prints a table in Markdown. Every measurement is a process of its own; for every size the two backends take turns, so
that a busy machine slows them alike. The datasets have no images, ten objects each; they stay in the database that
FIFTYONE_DATABASE_URI names, and are made when they are missing. A million objects take 2 GB there, and Brain 4 GB of
memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

BACKENDS = ("sklearn", "simfind")
ONLY_OURS = ("scan", "refresh")
ROWS = {
    "build_s": "build from the detections, s",
    "build_peak_gb": "... its peak memory above the start, GB",
    "load_s": "load in a fresh process, s",
    "first_answer_s": "... with the first answer, s",
    "resident_gb": "... resident memory above the start, GB",
    "first_query_ms": "first query by id, ms",
    "query_ms": "repeated, ms",
    "stage_first_ms": "the App's sort stage on a patches view, first, ms",
    "stage_ms": "... repeated, ms",
    "filtered_new_ms": "on a newly filtered view, ms",
    "filtered_ms": "... repeated, ms",
    "product_ms": "one float32 product of numpy, one thread, ms",
    "scan_ms": "top 25 of all, ms",
    "scan_ratio": "... ratio to that product",
    "recall": "... recall",
    "refresh_s": "refresh after 1 % more objects, s",
}


def main() -> None:
    args = parse_args()
    if args.step:
        from benchmarks.index.steps import STEPS

        print("RESULT", json.dumps(STEPS[args.step](dataset(args.sizes[0], args.dim), *args.of)))
        return
    for size in args.sizes:
        run(size, args.dim, "make", "", "")
        report(size, args, measure(size, args))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.index", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="objects (10000 100000)")
    parser.add_argument("--dim", type=int, default=256, help="numbers of a vector (default: 256)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each (default: 3)")
    parser.add_argument("--steps", nargs="+", default=["build", "answer", "stage", "scan", "refresh"])
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--of", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def dataset(size: int, dim: int):
    import fiftyone as fo

    from benchmarks.index import data

    return fo.load_dataset(data.name_of(size, dim))


def measure(size: int, args: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Per backend and figure, what each round gave."""
    found: dict[str, dict[str, list[float]]] = {backend: {} for backend in BACKENDS}
    for step in args.steps:
        rounds = 1 if step in ("build", "refresh") else args.rounds
        for _ in range(rounds):
            for backend in BACKENDS:
                if step in ONLY_OURS and backend != "simfind":
                    continue
                for name, value in run(size, args.dim, step, backend, f"bench_{backend}").items():
                    found[backend].setdefault(name, []).append(value)
    return found


def run(size: int, dim: int, step: str, backend: str, key: str) -> dict[str, float]:
    """The figures of one step, measured in a process of its own."""
    if step == "make":
        code = (
            "import fiftyone as fo; from benchmarks.index import data; "
            f"data.name_of({size}, {dim}) in fo.list_datasets() or data.make({size}, {dim}); print('RESULT 0')"
        )
        command = [sys.executable, "-c", code]
    else:
        command = [sys.executable, "-m", "benchmarks.index", "--step", step, "--sizes", str(size), "--dim", str(dim)]
        command += ["--of", backend, key]
    one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} if step == "scan" else {}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **one_thread})
    results = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not results:
        raise SystemExit(f"{step} {backend}: {done.stderr[-3000:]}")
    print(f"{size}: {step} {backend}: {results[-1]}", file=sys.stderr, flush=True)
    return json.loads(results[-1])


def report(size: int, args: argparse.Namespace, found: dict[str, dict[str, list[float]]]) -> None:
    """Print a table of one size."""
    print(f"\n{size:,} objects of {args.dim} numbers, medians of {args.rounds} rounds:\n")
    print("|  | Brain's sklearn | simfind | ratio |\n| --- | --- | --- | --- |")
    for name, text in ROWS.items():
        brain, ours = (found[backend].get(name) for backend in BACKENDS)
        if not ours:
            continue
        left = f"{statistics.median(brain):.4g}" if brain else ""
        ratio = f"{statistics.median(ours) / statistics.median(brain):.3g}" if brain else ""
        print(f"| {text} | {left} | {statistics.median(ours):.4g} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
