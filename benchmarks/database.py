"""What an image costs the database, which all machines of a cluster share.

Prints a table in Markdown. Objects are made up, so that nothing but the writing of results takes time: processes write
to one dataset, each its own samples, as ``detect`` and ``embed`` do. What MongoDB takes is the CPU time of its process.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from typing import Any, NamedTuple

import fiftyone as fo
import numpy as np
import psutil
from fiftyone.core import odm

from fiftyone_simfind import _fields
from fiftyone_simfind._types import Objects

AT_ONCE = 32  # images in a write: about what a machine finds in the two seconds between two of them
FACTS = {"model": "made up"}
COLUMNS = ["as", "objects an image", "processes", "images a second", "MongoDB's CPU, ms an image"]
COLUMNS += ["writers' CPU, ms", "sent, KB", "on disk, KB"]


def main() -> None:
    args = parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("| --- " * len(COLUMNS) + "|")
    for count in args.objects:
        for processes in args.processes:
            dataset = prepared(args.images)
            for verb in WRITERS:
                cost = measured(dataset, verb, count, args.dim, processes)
                print(f"| {verb} | {count} | {processes} | {cost} |", flush=True)
            dataset.delete()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.database", description=__doc__)
    parser.add_argument("--images", type=int, default=2048, help="samples that are written to (default: 2048)")
    parser.add_argument("--objects", type=int, nargs="+", default=[7, 20], help="in an image (default: 7 20)")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="that write at once (default: 1 2)")
    parser.add_argument("--dim", type=int, default=512, help="numbers of a vector (default: 512)")
    return parser.parse_args()


def prepared(images: int) -> Any:
    """A dataset without objects, ready to be written to."""
    dataset = fo.Dataset()
    dataset.add_samples([fo.Sample(filepath=f"/images/{i:08}.jpg") for i in range(images)], progress=False)
    _fields.declare_objects(dataset, "objects")
    for name in ("embedding", "again"):
        _fields.prepare_vectors(dataset, f"objects.detections.{name}", FACTS, overwrite=False)
    return dataset


def detected(dataset: Any, ids: list[str], rng: Any, count: int, dim: int) -> None:
    """Write some objects to some samples, as detect does."""
    found = {i: Objects(boxes(rng, count), ["thing"] * count, np.ones(count), vectors(rng, count, dim)) for i in ids}
    _fields.write_objects(dataset, "objects", "embedding", found)


def embedded(dataset: Any, ids: list[str], rng: Any, count: int, dim: int) -> None:
    """Write other vectors to the objects of some samples, as embed does."""
    path = "objects.detections"
    images = list(_fields.boxed_images(dataset.select(ids), path, missing="again"))
    made = [(image, vectors(rng, len(image.label_ids), dim)) for image in images]
    _fields.write_made(dataset, f"{path}.again", FACTS["model"], made)


def boxes(rng: Any, count: int) -> Any:
    return np.hstack([rng.uniform(0, 0.5, (count, 2)), rng.uniform(0.1, 0.5, (count, 2))])


def vectors(rng: Any, count: int, dim: int) -> Any:
    rows = rng.standard_normal((count, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


WRITERS = {"detect": detected, "embed": embedded}


class Cost(NamedTuple):
    """What some images have cost: seconds, and bytes."""

    images: int
    wall: float
    server: float
    writers: float
    sent: int
    stored: int

    def __str__(self) -> str:
        each = [1000 * self.server, 1000 * self.writers, self.sent / 1024, self.stored / 1024]
        told = [f"{self.images / self.wall:,.0f}", *(f"{value / self.images:.3g}" for value in each)]
        return " | ".join(told)


def measured(dataset: Any, verb: str, count: int, dim: int, processes: int) -> Cost:
    """What it costs to write to all samples of a dataset, shared out among processes."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(processes + 1), context.Barrier(processes + 1)
    spent = context.Queue()
    args = (dataset.name, verb, count, dim, processes, ready, go, spent)
    writers = [context.Process(target=work, args=(number, *args)) for number in range(processes)]
    for writer in writers:
        writer.start()
    ready.wait()
    before, started = server(dataset), time.perf_counter()
    go.wait()
    took = [spent.get() for _ in writers]
    wall = time.perf_counter() - started
    for writer in writers:
        writer.join()
    odm.get_db_conn().client.admin.command("fsync")
    cpu, sent, stored = (after - then for after, then in zip(server(dataset), before, strict=True))
    return Cost(dataset.count(), wall, cpu, sum(took), sent, stored)


def server(dataset: Any) -> tuple[float, int, int]:
    """What MongoDB's process has used so far: seconds of CPU, bytes received, bytes on disk for a dataset."""
    database = odm.get_db_conn()
    status = database.command("serverStatus")
    times = psutil.Process(int(status["pid"])).cpu_times()
    size = database.command("collStats", dataset._sample_collection_name)["storageSize"]
    return times.user + times.system, status["network"]["bytesIn"], size


def work(number: int, name: str, verb: str, count: int, dim: int, of: int, ready: Any, go: Any, spent: Any) -> None:
    """One of the processes that write."""
    dataset = fo.load_dataset(name)
    ids = dataset.values("id")[number::of]
    rng = np.random.default_rng(number)
    ready.wait()
    go.wait()
    started = time.process_time()
    for start in range(0, len(ids), AT_ONCE):
        WRITERS[verb](dataset, ids[start : start + AT_ONCE], rng, count, dim)
    spent.put(time.process_time() - started)


if __name__ == "__main__":
    main()
