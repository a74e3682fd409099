"""How long a user of the App waits for the objects like a ticked one: our button beside FiftyOne's own search.

Prints a table in Markdown. The time is measured by the page in the browser, from the mouse click to the grid that shows
the right objects and has come to rest. Every alternative gets an App and a browser of its own in every round, and they
take turns, so that a busy machine slows them alike. The database and all files are made for this, and removed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = ("simfind", "sklearn")
WAYS = {
    "button": "simfind's button",
    "sklearn open": "FiftyOne's search, Brain's sklearn, its panel open",
    "simfind open": "FiftyOne's search, simfind's index, its panel open",
    "sklearn closed": "FiftyOne's search, Brain's sklearn, its panel closed",
}

Taken = dict[str, dict[str, list[list[float]]]]  # milliseconds: way, first or later, round


def main() -> None:
    args = parse_args()
    if args.step:
        return step(args)
    with tempfile.TemporaryDirectory(prefix="simfind-bench-", ignore_cleanup_errors=True) as folder:
        measure_all(args, folder)
    return None


def measure_all(args: argparse.Namespace, folder: str) -> None:
    """Measure and report each size."""
    with mongod(Path(folder)) as environment:
        for size in args.sizes:
            # FiftyOne's panel shows what was found by itself only when something was found before.
            for first in ("make", "sklearn closed", "simfind closed"):
                call(first.split(), size, args, folder, environment)
            report(size, args, measure(size, args, folder, environment))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.app", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 100_000], help="objects (1000 100000)")
    parser.add_argument("--dim", type=int, default=256, help="numbers of a vector (default: 256)")
    parser.add_argument("--rounds", type=int, default=5, help="fresh Apps for each alternative (default: 5)")
    parser.add_argument("--later", type=int, default=3, help="searches in an App after its first (default: 3)")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="alternatives")
    parser.add_argument("--step", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    return parser.parse_args()


def step(args: argparse.Namespace) -> None:
    """What a process of its own does: make the datasets, or measure an alternative."""
    from benchmarks.app import clicks, data

    objects = data.Objects(args.sizes[0], args.dim, Path(args.folder))
    if args.step == ["make"]:
        objects.make(BACKENDS)
        print("RESULT {}")
    else:
        print("RESULT", json.dumps(clicks.run(objects, " ".join(args.step), args.later)))


def call(step: list[str], size: int, args: argparse.Namespace, folder: str, environment: dict[str, str]) -> dict:
    """What a step gives, done in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.app", "--sizes", str(size), "--dim", str(args.dim)]
    command += ["--later", str(args.later), "--folder", folder, "--step", *step]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    results = [line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not results:
        raise SystemExit(f"{step}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    print(f"{size}: {' '.join(step)}: {results[-1]}", file=sys.stderr, flush=True)
    return json.loads(results[-1])


def measure(size: int, args: argparse.Namespace, folder: str, environment: dict[str, str]) -> Taken:
    """What each round gave."""
    found: Taken = {way: {"first": [], "later": []} for way in args.ways}
    for number in range(args.rounds):
        turn = number % len(args.ways)
        for way in args.ways[turn:] + args.ways[:turn]:
            for when, taken in call(way.split(), size, args, folder, environment).items():
                found[way][when].append(taken)
    return found


def report(size: int, args: argparse.Namespace, found: Taken) -> None:
    """Print a table of one size."""
    print(f"\n{size:,} objects of {args.dim} numbers, {args.rounds} rounds:\n")
    print("| | first click, s | ratio | later clicks, s | ratio |\n| --- | --- | --- | --- | --- |")
    for way in args.ways:
        cells = [cell for when in ("first", "later") for cell in cells_of(found[way][when], found[args.ways[0]][when])]
        print(f"| {WAYS[way]} | {' | '.join(cells)} |", flush=True)


def cells_of(taken: list[list[float]], base: list[list[float]]) -> tuple[str, str]:
    """The median and the spread in seconds, and the median of the rounds' ratios to another alternative."""
    seconds = [one / 1000 for some in taken for one in some]
    if not seconds:
        return "", ""
    pairs = zip(taken, base, strict=True)
    ratio = statistics.median(statistics.median(some) / statistics.median(others) for some, others in pairs)
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})", f"{ratio:.2f}"


@contextmanager
def mongod(folder: Path) -> Iterator[dict[str, str]]:
    """A database of its own; gives the environment in which FiftyOne uses it, and the plugin of this folder."""
    spec = importlib.util.find_spec("fiftyone")
    program = Path(spec.origin or "").parent / "db" / "bin" / "mongod" if spec else Path("mongod")
    for name in ("db", "home", "plugins"):
        (folder / name).mkdir()
    (folder / "plugins" / "simfind").symlink_to(ROOT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--dbpath", folder / "db", "--port", port, "--bind_ip", "127.0.0.1", "--nounixsocket"]
    server = subprocess.Popen(
        [str(program), *map(str, options)], **dict.fromkeys(["stdin", "stdout", "stderr"], subprocess.DEVNULL)
    )
    try:
        while server.poll() is None and not answers(port):
            time.sleep(0.1)
        yield {
            **os.environ,
            "HOME": str(folder / "home"),
            "FIFTYONE_DATABASE_URI": f"mongodb://127.0.0.1:{port}",
            "FIFTYONE_DATABASE_VALIDATION": "false",
            "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
            "FIFTYONE_DEFAULT_DATASET_DIR": str(folder / "data"),
            "FIFTYONE_DO_NOT_TRACK": "true",
            "FIFTYONE_SHOW_PROGRESS_BARS": "false",
        }
    finally:
        server.terminate()
        server.wait()


def answers(port: int) -> bool:
    """Whether a program listens to a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
