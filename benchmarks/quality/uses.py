"""What is measured of a search beyond its order: emphasis, re-ranking, feedback, and learning from labels."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fiftyone_simfind as simfind
from benchmarks.quality import study as st
from benchmarks.quality.judge import Figures, Vectors, best, figures, judge, means
from benchmarks.quality.study import FIELD, Study
from fiftyone_simfind import _query
from fiftyone_simfind.numerics import fusion
from fiftyone_simfind.numerics import vectors as vx

SMALL = 32**2  # pixels
DEPTH = 200  # matches that a second network looks at
SHOWN = 10  # matches that are marked
SEED = 51
TIMED = 100  # searches
EMPHASES: list[Any] = [None, "look", {"look": 2}, {"look": 4}, {"look": 10}, {"look": 20}]
EMPHASES += [{"kind": 2}, {"kind": 4}, {"kind": 10}, {"kind": 20}, {"shape": 2}, {"shape": 4}, {"shape": 20}]


def small_objects(study: Study) -> tuple[int, float, float]:
    """How many queries are small, and P@5 of the default and of the neck for them."""
    small = study.objects.areas < SMALL
    default, neck = (
        judge(vectors, study.objects.classes, study.objects.images)[small]
        for vectors in (study.gallery.vectors, study.rivals["neck"])
    )
    return int((~np.isnan(default[:, 1])).sum()), means(default)[1], means(neck)[1]


def emphasis(study: Study, chosen: Any) -> list[float]:
    """P@5 of the class and of each attribute when some parts count more."""
    found = [_query.resolve(study.gallery, str(i), emphasis=chosen) for i in study.gallery.label_ids]
    queries = np.array([query.vector for query in found])
    kinds = [study.objects.classes, *study.objects.attributes.values()]
    return [
        float(means(judge(study.gallery.vectors, kind, study.objects.images, queries=queries))[1]) for kind in kinds
    ]


def emphasis_cost(study: Study) -> tuple[float, float]:
    """Milliseconds of a search, and the median of what emphasis adds to it."""
    ids = np.random.default_rng(SEED).choice(study.gallery.label_ids, TIMED).tolist()
    times = np.array([[_seconds(study, i, chosen) for chosen in (None, {"look": 2.0})] for i in [ids[0], *ids]])[1:]
    return 1000 * float(np.median(times[:, 0])), 1000 * float(np.median(times[:, 1] - times[:, 0]))


def _seconds(study: Study, label_id: str, chosen: Any) -> float:
    started = time.perf_counter()
    simfind.search(study.dataset, label_id, emphasis=chosen)
    return time.perf_counter() - started


def reranked(study: Study, crops: Vectors) -> Figures:
    """The figures after the best 200 were put into a new order, as ``simfind.search(..., rerank=...)`` does it."""
    classes, images = study.objects.classes, study.objects.images
    vectors, second = study.gallery.vectors, vx.normalize(crops)
    found = np.full((len(classes), 3), np.nan)
    for query in range(len(classes)):
        alike, other = classes == classes[query], images != images[query]
        if (alike & other).any():
            first = vectors @ vectors[query]
            rows = best(first, other, DEPTH)
            both = vectors[rows], second[rows]
            looks = fusion.Look(vectors[query], both[0]), fusion.Look(second[query], both[1])
            scores = fusion.fuse(looks, both)
            order = rows[np.argsort(-scores, kind="stable")]
            found[query] = figures(alike[order], int((alike & other).sum()))
    return found


def feedback(study: Study) -> NDArray[np.float64]:
    """Mean P@5 among the objects not shown yet: the first search goes on, and a new one that knows what was right.

    The first 10 matches are marked by their classes; queries that have nothing to find are left out.
    """
    classes, images, vectors = study.objects.classes, study.objects.images, study.gallery.vectors
    found = []
    for query in range(len(classes)):
        alike, other = classes == classes[query], images != images[query]
        if not (alike & other).any():
            continue
        scores = vx.cosine(vectors, vectors[query])
        shown = best(scores, other, SHOWN)
        right, wrong = shown[alike[shown]], shown[~alike[shown]]
        again = vx.cosine(vectors, vx.combine(vectors[[query, *right]], vectors[wrong]))
        other[shown] = False
        found.append([alike[best(scored, other, 5)].sum() / 5 for scored in (scores, again)])
    return np.mean(found, axis=0)


def supervised(study: Study, cache: Path | None) -> tuple[list[float], list[float]]:
    """The figures of one half of the images: without labels, and by a metric learnt from the other half's labels.

    Both indexes are made while only the other half has vectors, and refreshed when all have.
    """
    dataset = st.to_dataset(study.objects)
    ids = np.random.default_rng(SEED).permutation(dataset.values("id")).tolist()
    known, fresh = (dataset.select(half) for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]))
    options: dict[str, Any] = {"image_size": study.objects.image_size, "progress": False}
    with st.embedder(study.model, study.objects, cache) as chosen:
        simfind.embed(known, FIELD, model=chosen, **options)
        for key in ("plain", "taught"):
            simfind.build_index(dataset, FIELD, brain_key=key)
        simfind.fit_metric(known, "label", brain_key="taught")
        simfind.embed(fresh, FIELD, model=chosen, **options)
    for key in ("plain", "taught"):
        simfind.refresh(dataset, brain_key=key, progress=False)
    found = [_public(fresh, key) for key in ("plain", "taught")]
    dataset.delete()
    return found[0], found[1]


def _public(samples: Any, brain_key: str) -> list[float]:
    report = simfind.evaluate(samples, brain_key=brain_key, k=(1, 5), map_k=100, progress=False)
    return [report.means[name] for name in ("P@1", "P@5", "mAP@100")]
