"""Alternatives in one process that take turns, each from the state in which its user would find the process."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

Work = Callable[[], object]


class Taken(NamedTuple):
    """What a piece of work has taken: time on the clock, and of all cores and child processes, in seconds."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Way:
    """One of several ways to do something.

    Attributes:
        start: makes everything ready, untimed: loads models, warms up, makes a fresh dataset; gives the work
        images: how many the work handles, to give the time of one
    """

    start: Callable[[], AbstractContextManager[Work]]
    images: int


def take_turns(ways: Mapping[str, Way], rounds: int) -> dict[str, list[Taken]]:
    """What each way took in each round, for an image.

    A way that fails in its first round is left out, with a line on stderr that says why.
    """
    taken: dict[str, list[Taken]] = {name: [] for name in ways}
    names = list(ways)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            try:
                taken[name].append(_one(ways[name]))
            except ImportError as error:  # an engine that is not installed
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                continue
            wall, cpu = (1000 * seconds for seconds in taken[name][-1])
            print(f"round {number + 1}: {name}: {wall:.1f} ms, {cpu:.1f} CPU ms", file=sys.stderr, flush=True)
    return {name: found for name, found in taken.items() if found}


def _one(way: Way) -> Taken:
    import torch

    # As in a process that has just begun. ultralytics takes a core away when it loads a network, and that stays.
    torch.set_num_threads(os.cpu_count() or 1)
    with way.start() as work:
        wall, cpu = time.perf_counter(), _cpu()
        work()
        return Taken((time.perf_counter() - wall) / way.images, (_cpu() - cpu) / way.images)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def table(taken: Mapping[str, list[Taken]], base: str) -> str:
    """A table in Markdown, with the ratios of the rounds to one of the ways."""
    lines = [
        "| | ms an image, median (min to max) | ratio, median (min to max) | CPU ms an image | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, rounds in taken.items():
        wall, cpu = ([1000 * getattr(one, kind) for one in rounds] for kind in Taken._fields)
        pairs = list(zip(rounds, taken[base], strict=False))
        walls = spread([one.wall / first.wall for one, first in pairs], ".2f")
        cpus = statistics.median(one.cpu / first.cpu for one, first in pairs)
        lines.append(f"| {name} | {spread(wall, '.1f')} | {walls} | {statistics.median(cpu):.1f} | {cpus:.2f} |")
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    """Median, least and greatest."""
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"
