"""How well a search finds objects of the query's class, beside simpler vectors and without each of the default's parts.

Prints tables in Markdown. ``--data`` is a folder with ``weights``, ``data/fashion`` and ``data/coco``; by default it is
the one that the environment variable ``SIMFIND_TEST_DATA`` names. The default's figures come from ``simfind.embed``,
``build_index`` and ``evaluate``, and are worked out a second time from the vectors alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import cost, masks, uses, vectors
from benchmarks.quality import study as st
from benchmarks.quality.data import SETS, Histogram, ObjectSet, Remembering, embed_all
from benchmarks.quality.judge import Vectors, judge, means, within
from benchmarks.quality.study import Study
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.models import weights as wt

MUST = {"fashion": (0.35, 0.29, 0.17), "coco": (0.69, 0.62, 0.48)}
AIM = {"fashion": (0.38, 0.32, 0.19), "coco": (0.73, 0.66, 0.54)}
SMALL_RATIO, MAX_COST, RERANK_LOSS, MAX_EMPHASIS_MS, LOOK_GAIN = 1.2, 1.05, 0.01, 1.0, 0.15
TIE = 1e-6  # scores that differ less may stand in any order
CROPS = "mobilenet_v2 crops"


def main() -> None:
    args = parse_args()
    sets = {name: SETS[name](args.data / "data") for name in args.sets}
    others = {name: other_networks(objects, args) for name, objects in sets.items()}
    studies = [study(objects, model, args) for objects in sets.values() for model in models(args, objects.name)]
    for name, section in PRINTED.items():
        if name in args.only and (studies or name in ALONE):
            section(studies, others, args)
    for one in studies:
        one.dataset.delete()


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    data = Path(os.environ.get("SIMFIND_TEST_DATA", "../shared"))
    parser.add_argument("--data", type=Path, default=data, help="folder of weights and photos (default: ../shared)")
    parser.add_argument("--model", nargs="+", default=["yolov8n", "yolo11n"], help="names of weights in it")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=list(SETS), help="data sets (default: all)")
    parser.add_argument("--only", nargs="+", choices=list(PRINTED), default=list(PRINTED), help="tables (default: all)")
    parser.add_argument("--cache", type=Path, help="folder that keeps vectors, so that a second run is quick")
    parser.add_argument("--rounds", type=int, default=7, help="of the measurement of cost (default: 7)")
    parser.add_argument("--batches", type=int, default=6, help="of 8 photos, in each of them (default: 6)")
    parser.add_argument("--threads", type=int, default=1, help="of torch, while cost is measured (default: 1)")
    return parser.parse_args()


def models(args: argparse.Namespace, objects: str) -> list[Path]:
    """The weights to look at; the showroom's own as well in the showroom."""
    own = [Path(wt.find("showroom.pt"))] if objects == "showroom" else []
    return [*(args.data / "weights" / f"{name}.pt" for name in args.model), *own]


def study(objects: ObjectSet, model: Path, args: argparse.Namespace) -> Study:
    started = time.perf_counter()
    made = st.make(objects, model, args.cache)
    say(f"{made.title}: {len(objects.classes):,} objects, {time.perf_counter() - started:.0f} s")
    return made


def other_networks(objects: ObjectSet, args: argparse.Namespace) -> dict[str, Vectors]:
    """Vectors of the objects that are made without a detector."""
    crops = load_embedder(f"mobilenet_v2:{args.data / 'weights' / 'mobilenet_v2.pth'}")
    networks: dict[str, Any] = {"HSV histogram, 432 bins": Histogram(), CROPS: crops}
    found = {}
    for name, network in networks.items():
        kept = Remembering(network, args.cache, f"{objects.name}-{name.split()[0]}")
        found[name] = embed_all(kept, objects)
        kept.save()
        say(f"{objects.name}: {name}")
    return found


def print_targets(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    table("Default, by the public functions", ["", "P@1", "P@5", "mAP@100", "queries", "at least", "aim"])
    for one in studies:
        found = public(one)
        must, aim = MUST.get(one.objects.name), AIM.get(one.objects.name)
        row(
            one.title,
            *(f"{value:.3f}" for value in found),
            one.report.queries,
            verdict(found, must),
            verdict(found, aim),
        )


def public(one: Study) -> list[float]:
    return [one.report.means[name] for name in ("P@1", "P@5", "mAP@100")]


def verdict(found: Sequence[float], target: Sequence[float] | None) -> str:
    if target is None:
        return ""
    met = all(value >= least for value, least in zip(found, target, strict=True))
    return f"{'met' if met else 'MISSED'} ({' / '.join(f'{least:.2f}' for least in target)})"


def print_agreement(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    table("The same from the vectors alone, by scikit-learn's cosine in float64", ["", *TITLES, "agrees"])
    for one in studies:
        white = vectors.white(one.raw, one.parts)
        plain, best, worst = (
            means(judge(white, one.objects.classes, one.objects.images, favour=favour)) for favour in (0, TIE, -TIE)
        )
        same = all(within(*values) for values in zip(public(one), worst, best, strict=True))
        apart = max(abs(plain - public(one)))
        row(one.title, *(f"{v:.6f}" for v in plain), f"{'yes' if same else 'NO'}, within {apart:.1e}")


def print_vectors(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    for name in others:
        some = [one for one in studies if one.objects.name == name]
        found = [vectors.rows(one, others[name]) for one in some]
        title = f"{name}: P@1, P@5, mAP@100; `-` is the default without one thing"
        table(title, ["", *(one.model.stem for one in some)])
        for kind in found[0]:
            row(kind, *(", ".join(f"{value:.3f}" for value in means(rows[kind])) for rows in found))


def print_small(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    table("Objects below 32 x 32 pixels, P@5", ["", "queries", "default", "neck", "ratio", f"at least {SMALL_RATIO}"])
    for one in studies:
        if np.isfinite(one.objects.areas).any():
            count, default, neck = uses.small_objects(one)
            met = "met" if default / neck >= SMALL_RATIO else "MISSED"
            row(one.title, count, f"{default:.3f}", f"{neck:.3f}", f"{default / neck:.2f}", met)


def print_emphasis(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    for one in studies:
        if one.objects.attributes:
            table(f"Emphasis, {one.title}: P@5 of the same ...", ["`emphasis`", "class", *one.objects.attributes])
            found = [uses.emphasis(one, chosen) for chosen in uses.EMPHASES]
            for chosen, values in zip(uses.EMPHASES, found, strict=True):
                row(f"`{chosen!r}`".replace("'", '"'), *(f"{value:.3f}" for value in values))
            gain = found[uses.EMPHASES.index("look")][-1] - found[0][-1]
            met = "met" if gain >= LOOK_GAIN else "MISSED"
            print(f'\n`"look"` finds {gain:+.3f} more of the same colour (at least {LOOK_GAIN:+.2f}: {met}).')
            whole, more = uses.emphasis_cost(one)
            met = "met" if more < MAX_EMPHASIS_MS else "MISSED"
            print(f"\nA search takes {whole:.2f} ms, and emphasis adds {more:.3f} ms (below 1 ms: {met}).")


def print_rerank(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    table(f"Re-ranking the best {uses.DEPTH}: P@1, P@5, mAP@100", ["", "index", "crops", "both", "P@1 kept"])
    for one in studies:
        crops = others[one.objects.name][CROPS]
        alone = means(judge(crops, one.objects.classes, one.objects.images))
        found: list[Any] = [public(one), alone, means(uses.reranked(one, crops))]
        met = "met" if found[2][0] >= max(found[0][0], found[1][0]) - RERANK_LOSS else "MISSED"
        row(one.title, *(", ".join(f"{value:.3f}" for value in values) for values in found), met)


def print_feedback(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    title = f"Feedback on the first {uses.SHOWN}: P@5 among the objects not shown yet"
    table(title, ["", "without", "with", "gain"])
    for one in studies:
        before, after = uses.feedback(one)
        row(
            one.title, f"{before:.3f}", f"{after:.3f}", f"{after - before:+.3f}" + ("" if after > before else " MISSED")
        )


def print_supervised(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    table("Fitted on half of the images, measured on the other: P@1, P@5, mAP@100", ["", "without labels", "with"])
    for one in studies:
        halves = uses.supervised(one, args.cache)
        row(one.title, *(", ".join(f"{value:.3f}" for value in values) for values in halves))


def print_masks(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    scenes = masks.upright()
    for title, some in {"Showroom": scenes, "Showroom, every scene turned": masks.turned(scenes)}.items():
        chosen = models(args, "showroom")
        table(f"{title}: P@1, P@5, mAP@100", ["", *(model.stem for model in chosen)])
        found = [masks.compare(model, some) for model in chosen]
        for way in found[0]:
            row(way, *(", ".join(f"{value:.3f}" for value in figures[way]) for figures in found))


def print_cost(studies: list[Study], others: dict, args: argparse.Namespace) -> None:
    photos = sorted((args.data / "data" / "coco" / "images").iterdir())
    heads = ["", "alone, ms an image", "with vectors, CPU", "with vectors, wall", "added, of the forward pass", ""]
    table(f"Detection with vectors over detection alone, {args.rounds} rounds, {args.threads} threads", heads)
    for name in args.model:
        model = args.data / "weights" / f"{name}.pt"
        found = cost.measure(model, photos, rounds=args.rounds, batches=args.batches, threads=args.threads)
        cpu = f"{found.cpu:.3f} ({found.least:.3f} to {found.most:.3f})"
        met = "met" if max(found.cpu, found.wall) <= MAX_COST else "MISSED"
        row(name, f"{1000 * found.alone:.1f}", cpu, f"{found.wall:.3f}", f"{found.share:.1%}", met)


PRINTED: dict[str, Any] = {
    "targets": print_targets,
    "agreement": print_agreement,
    "vectors": print_vectors,
    "small": print_small,
    "emphasis": print_emphasis,
    "rerank": print_rerank,
    "feedback": print_feedback,
    "supervised": print_supervised,
    "masks": print_masks,
    "cost": print_cost,
}
ALONE = ("masks", "cost")  # tables that need no studies
TITLES = ["P@1", "P@5", "mAP@100"]


def table(title: str, heads: Sequence[str]) -> None:
    print(f"\n{title}\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")


def row(*cells: Any) -> None:
    print(f"| {' | '.join(str(cell) for cell in cells)} |", flush=True)


def say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
