"""Images through a model: read ahead on threads, in batches, with progress; a bad image stops nothing else."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind._types import EmbedReport
from fiftyone_simfind.errors import OptionError

Image = NDArray[np.uint8]
Work = Callable[[list, list[Any]], Sequence]
Batch = list[tuple[Any, Any]]  # of items, and what was read of each: None where it could not be

WRITE_SECONDS = 2.0  # results wait about this long for the database at most: a stopped run loses little
MAX_READERS = 16
BATCH_SIZE = 8  # images in a forward pass, where the model does not say
MOST_WAITING = 4  # batches' worth of images that wait for others of their shape at most
AT_FAULT = 8  # images, one after the other, that a model fails on: it is the model's fault, not theirs
AHEAD = 16  # images that wait for a stream at least, so that none stands still while the database is written to


@dataclass
class Batches:
    """How to take images through a model.

    Images are read on threads, and several threads work on what was read where the model has ``streams``; the caller's
    thread meanwhile writes. What is in memory at a time does not depend on how many images there are.

    Attributes:
        read: gives the image of a path
        batch_size: images in a forward pass; None means as many as suit the model
        num_workers: threads that read ahead; 0 reads in the caller's thread, None means one per core, up to
            ``MAX_READERS``
        skip_failures: go on after an image that cannot be read or processed, and note it in the report
        progress: FiftyOne's: True, False, None for the configured default, or a function of the progress bar
        model: an embedder. It may have ``prepare``, which makes of an image what it is given in its place;
            ``batch_size``; and ``streams``, how many threads may call it at once
    """

    read: Callable[[str], Image]
    batch_size: int | None = None
    num_workers: int | None = None
    skip_failures: bool = True
    progress: Any = None
    model: Any = None
    _refused: list[Exception] = field(default_factory=list, init=False, repr=False)  # by the model, one after the other

    def __post_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch_size={self.batch_size} must be at least 1")
        if self.num_workers is None:
            self.num_workers = min(MAX_READERS, os.cpu_count() or 1)
        if self.num_workers < 0:
            raise OptionError(f"num_workers={self.num_workers} must not be negative")

    def of(self, model: Any) -> Batches:
        """The same for a model."""
        return replace(self, model=model)

    def run(self, items: Iterable, total: int, work: Work, write: Callable[[list], None], report: EmbedReport) -> None:
        """Read, ``work`` and ``write`` every item; what is done is written even when the run is stopped.

        Args:
            items: things with a ``filepath``
            total: how many there are
            work: gives the results of some items and what was read of them, one for each
            write: stores a list of ``(item, result)``
            report: its ``failures`` and ``seconds`` are filled in
        """
        done: list = []
        images, objects = 0, 0
        started = written = time.monotonic()
        try:
            with fo.ProgressBar(total=total, iters_str="images", progress=self.progress) as bar:
                for count, results in self._results(items, work, report):
                    done += results
                    images += len(results)
                    objects += sum(len(result) for _, result in results)
                    now = time.monotonic()
                    if now - written > WRITE_SECONDS:
                        write(done)
                        done, written = [], now
                    bar.update(count=count, suffix=f"{objects / (now - started):,.0f} objects/s")
            if len(self._refused) > 1 and not images:
                raise self._refused[0]
        finally:
            if done:
                write(done)
            report.seconds += time.monotonic() - started

    def _results(self, items: Iterable, work: Work, report: EmbedReport) -> Iterator[tuple[int, list]]:
        """For each batch how many images it had, and its results."""
        from fiftyone_simfind.models.engines.base import all_cores, streams

        count = getattr(self.model, "streams", 1)
        size: int = self.batch_size or getattr(self.model, "batch_size", None) or BATCH_SIZE
        batches = self._batches(items, size, report)
        if count == 1:
            with all_cores():
                yield from ((len(batch), self._work(batch, work, report)) for batch in batches)
            return
        most = count + max(count, -(-AHEAD // size))
        with streams(count) as pool:
            waiting: deque[tuple[int, Future]] = deque()
            for batch in batches:
                waiting.append((len(batch), pool.submit(self._work, batch, work, report)))
                while waiting and (len(waiting) >= most or waiting[0][1].done()):
                    images, future = waiting.popleft()
                    yield images, future.result()
            for images, future in waiting:
                yield images, future.result()

    def _batches(self, items: Iterable, size: int, report: EmbedReport) -> Iterator[Batch]:
        """Batches of what can share a forward pass, where the model says what can."""
        by_shape: dict[Any, Batch] = {}
        for pair in self._read_ahead(items, size, report):
            shape = getattr(pair[1], "shape", None) if hasattr(self.model, "prepare") else None
            by_shape.setdefault(shape, []).append(pair)
            if len(by_shape[shape]) == size:
                yield by_shape.pop(shape)
            elif sum(map(len, by_shape.values())) >= MOST_WAITING * size:
                yield by_shape.pop(max(by_shape, key=lambda key: len(by_shape[key])))
        yield from by_shape.values()

    def _read_ahead(self, items: Iterable, size: int, report: EmbedReport) -> Iterator[tuple[Any, Any]]:
        if not self.num_workers:
            yield from ((item, self._try_read(item.filepath, report)) for item in items)
            return
        waiting: deque[tuple[Any, Future]] = deque()
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="simfind-read")
        try:
            for item in items:
                waiting.append((item, pool.submit(self._try_read, item.filepath, report)))
                if len(waiting) > max(2 * size, 2 * self.num_workers):
                    first, future = waiting.popleft()
                    yield first, future.result()
            yield from ((item, future.result()) for item, future in waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _try_read(self, path: str, report: EmbedReport) -> Any:
        try:
            image = self.read(path)
            prepare = getattr(self.model, "prepare", None)
            return image if prepare is None else prepare(image)
        except Exception as error:  # a decoder may raise anything on a broken file
            self._failed(path, error, report)
            return None

    def _work(self, batch: Batch, work: Work, report: EmbedReport) -> list[tuple[Any, Any]]:
        """The results of a batch; where it fails, image by image, to find the one that makes it fail."""
        good = [pair for pair in batch if pair[1] is not None]
        if not good:
            return []
        items, images = map(list, zip(*good, strict=True))
        try:
            done = list(zip(items, work(items, images), strict=True))
        except Exception as error:
            if len(good) > 1:
                return [result for pair in good for result in self._work([pair], work, report)]
            self._refused.append(error)
            if len(self._refused) == AT_FAULT:
                raise
            self._failed(items[0].filepath, error, report)
            return []
        self._refused.clear()
        return done

    def _failed(self, path: str, error: Exception, report: EmbedReport) -> None:
        if not self.skip_failures:
            raise error
        report.failures[path] = f"{type(error).__name__}: {error}"
