"""The measurements; each runs in a process of its own and gives plain numbers."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

from benchmarks.index import data

REPEATS = 7
SEED = 7


def build(dataset: Any, backend: str, key: str) -> dict[str, float]:
    """Making the index from the vectors on the detections."""
    import fiftyone.brain as fob

    import fiftyone_simfind  # noqa: F401  (makes the backend known)

    if key in dataset.list_brain_runs():
        dataset.delete_brain_run(key)
    before, started = resident(), time.perf_counter()
    options = dict(patches_field="objects", embeddings="embedding", brain_key=key)
    fob.compute_similarity(dataset, backend=backend, **options)
    return {"build_s": time.perf_counter() - started, "build_peak_gb": peak() - before}


def answer(dataset: Any, backend: str, key: str) -> dict[str, float]:
    """From a fresh process to the first answer, and the answers after that."""
    import fiftyone.brain  # noqa: F401

    import fiftyone_simfind  # noqa: F401

    ids = some_ids(dataset)
    before, started = resident(), time.perf_counter()
    index = dataset.load_brain_results(key)
    loaded = time.perf_counter() - started
    index.sort_by_similarity(ids[0], k=25)
    first = time.perf_counter() - started
    grown = resident() - before
    repeated = median(lambda i: index.sort_by_similarity(ids[i], k=25))
    return {
        "load_s": loaded,
        "first_answer_s": first,
        "first_query_ms": 1000 * (first - loaded),
        "query_ms": repeated,
        "resident_gb": grown,
    }


def stage(dataset: Any, backend: str, key: str) -> dict[str, float]:
    """The App's own sort stage on a patches view, and on a filtered view that is new each time."""
    from fiftyone import ViewField as F

    import fiftyone_simfind  # noqa: F401

    ids = some_ids(dataset)
    patches = dataset.to_patches("objects")
    dataset.load_brain_results(key)
    started = time.perf_counter()
    patches.sort_by_similarity(ids[0], k=25, brain_key=key)
    first = 1000 * (time.perf_counter() - started)
    repeated = median(lambda i: patches.sort_by_similarity(ids[i], k=25, brain_key=key))
    views = [dataset.filter_labels("objects", F("label") == name) for name in data.CLASSES]
    filtered = median(lambda i: views[i].sort_by_similarity(ids[i], k=25, brain_key=key))
    again = median(lambda i: views[0].sort_by_similarity(ids[i], k=25, brain_key=key))
    return {"stage_first_ms": first, "stage_ms": repeated, "filtered_new_ms": filtered, "filtered_ms": again}


def scan(dataset: Any, backend: str, key: str) -> dict[str, float]:
    """The top 25 of everything, beside one float32 product of numpy, by turns; and whether they are right."""
    import fiftyone_simfind  # noqa: F401

    rows = dataset.load_brain_results(key).rows
    matrix = np.array(rows.vectors)
    rng = np.random.default_rng(SEED)
    queries = [matrix[i] for i in rng.integers(len(matrix), size=REPEATS + 1)]
    ours, product, recall = [], [], []
    for query in queries:
        started = time.perf_counter()
        found, _ = rows.nearest(query, 25)
        between = time.perf_counter()
        scores = matrix @ query
        product.append(1000 * (time.perf_counter() - between))
        ours.append(1000 * (between - started))
        wide = np.concatenate([block.astype(np.float64) @ query for block in np.array_split(matrix, 64)])
        right = np.argsort(-wide, kind="stable")[:25] if len(wide) < 20_000 else top(wide, 25)
        recall.append(len(set(found.tolist()) & set(right.tolist())) / 25)
        del scores, wide
    return {
        "scan_ms": statistics.median(ours[1:]),
        "product_ms": statistics.median(product[1:]),
        "scan_ratio": statistics.median(a / b for a, b in zip(ours[1:], product[1:], strict=True)),
        "recall": min(recall),
    }


def refresh(dataset: Any, backend: str, key: str) -> dict[str, float]:
    """Bringing the index up to date after a hundredth more objects."""
    import fiftyone_simfind  # noqa: F401

    index = dataset.load_brain_results(key)
    size = index.total_index_size
    dim = index.rows.vectors.shape[1]
    data.add(dataset, data.vectors(max(size // 100 // data.PER_IMAGE, 1) * data.PER_IMAGE, dim, seed=9))
    started = time.perf_counter()
    index.reload()
    seconds = time.perf_counter() - started
    assert index.total_index_size > size
    return {"refresh_s": seconds}


def top(scores: Any, k: int) -> Any:
    """The places of the largest, in any order."""
    return np.argpartition(-scores, k)[:k]


def some_ids(dataset: Any) -> list[str]:
    """Label ids all over the dataset."""
    places = np.linspace(0, len(dataset) - 1, REPEATS + 20).astype(int).tolist()
    return [dataset.skip(place).first().objects.detections[0].id for place in places]


def median(work: Callable[[int], object]) -> float:
    """Milliseconds of a call."""
    taken = []
    for number in range(1, REPEATS + 1):
        started = time.perf_counter()
        work(number)
        taken.append(1000 * (time.perf_counter() - started))
    return statistics.median(taken)


def resident() -> float:
    """Resident memory of this process in GB."""
    return psutil.Process().memory_info().rss / 1e9


def peak() -> float:
    """The most that it has had."""
    if not os.path.exists("/proc/self/status"):
        return resident()
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024 / 1e9


STEPS: dict[str, Callable[[Any, str, str], dict[str, float]]] = {
    "build": build,
    "answer": answer,
    "stage": stage,
    "scan": scan,
    "refresh": refresh,
}
