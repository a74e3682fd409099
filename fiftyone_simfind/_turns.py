"""Whose turn it is to be fetched: what keeps many threads from being a nuisance to one host."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

PER_HOST = 2  # at once


@dataclass
class Job:
    """An address to fetch.

    Attributes:
        url: the address
        host: whom it asks; empty for a file of this machine
        sha256: what the file's digest has to be, or None
        tries: how often it was tried
    """

    url: str
    host: str
    sha256: str | None = None
    tries: int = 0


class Turns:
    """Jobs for threads: in their order, at most ``PER_HOST`` at once of one host, and none before its time."""

    def __init__(self, jobs: Sequence[Job]):
        self._waiting: dict[str, list[tuple[float, int, Job]]] = {}  # by host: a heap of when, order and job
        self._order = {id(job): number for number, job in enumerate(jobs)}
        self._not_before: dict[str, float] = {}
        self._busy: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._stopped = False
        for job in jobs:
            self._put(job, 0.0)

    def take(self) -> Job | None:
        """The next job, as soon as there is one to do; None when none is left, or they were stopped."""
        with self._changed:
            while not self._stopped and (self._waiting or self._busy.total()):
                free = [host for host in self._waiting if not host or self._busy[host] < PER_HOST]
                soonest = min(free, key=self._when, default=None)
                wait = None if soonest is None else self._when(soonest)[0] - time.monotonic()
                if soonest is not None and wait is not None and wait <= 0:
                    return self._start(soonest)
                self._changed.wait(wait)
            return None

    def done(self, job: Job, *, again_in: float | None = None, pause: float = 0.0) -> None:
        """Give back a job that was taken.

        Args:
            job: what was taken
            again_in: seconds after which it is to be done again; None when it is done
            pause: seconds for which its host is not to be asked at all
        """
        now = time.monotonic()
        with self._changed:
            self._busy[job.host] -= 1
            self._not_before[job.host] = max(self._not_before.get(job.host, 0.0), now + pause)
            if again_in is not None:
                self._put(job, now + again_in)
            self._changed.notify_all()

    def give_up(self, job: Job) -> list[Job]:
        """Give back a job that was taken; the others of its host, which nobody gets any more."""
        with self._changed:
            self._busy[job.host] -= 1
            self._changed.notify_all()
            return [item[2] for item in sorted(self._waiting.pop(job.host, []))]

    def stop(self) -> None:
        """Give no more jobs to anybody."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _put(self, job: Job, when: float) -> None:
        heapq.heappush(self._waiting.setdefault(job.host, []), (when, self._order[id(job)], job))

    def _when(self, host: str) -> tuple[float, int]:
        """When the first job of a host may be done, and its place in the order."""
        when, order, _ = self._waiting[host][0]
        return max(when, self._not_before.get(host, 0.0)), order

    def _start(self, host: str) -> Job:
        job = heapq.heappop(self._waiting[host])[2]
        if not self._waiting[host]:
            del self._waiting[host]
        self._busy[host] += 1
        return job
