"""Images through a model: read ahead on threads, in batches, with progress; a bad image stops nothing else."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import fiftyone as fo
import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind._types import EmbedReport
from fiftyone_simfind.errors import OptionError

Image = NDArray[np.uint8]
Work = Callable[[list, list[Image]], Sequence]

WRITE_SECONDS = 2.0  # results wait about this long for the database at most: a stopped run loses little
MAX_READERS = 4


@dataclass
class Batches:
    """How to take images through a model.

    Attributes:
        read: gives the image of a path
        batch_size: images in a forward pass
        num_workers: threads that read ahead; 0 reads in the caller's thread, None means up to ``MAX_READERS``
        skip_failures: go on after an image that cannot be read or processed, and note it in the report
        progress: FiftyOne's: True, False, None for the configured default, or a function of the progress bar
    """

    read: Callable[[str], Image]
    batch_size: int = 8
    num_workers: int | None = None
    skip_failures: bool = True
    progress: Any = None

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise OptionError(f"batch_size={self.batch_size} must be at least 1")
        if self.num_workers is None:
            self.num_workers = min(MAX_READERS, os.cpu_count() or 1)
        if self.num_workers < 0:
            raise OptionError(f"num_workers={self.num_workers} must not be negative")

    def run(self, items: Iterable, total: int, work: Work, write: Callable[[list], None], report: EmbedReport) -> None:
        """Read, ``work`` and ``write`` every item; what is done is written even when the run is stopped.

        Args:
            items: things with a ``filepath``
            total: how many there are
            work: gives the results of some items and their images, one for each
            write: stores a list of ``(item, result)``
            report: its ``failures`` and ``seconds`` are filled in
        """
        done: list = []
        started = written = time.monotonic()
        try:
            with fo.ProgressBar(total=total, iters_str="images", progress=self.progress) as bar:
                for batch in self._batches(items, report):
                    done += self._work([pair for pair in batch if pair[1] is not None], work, report)
                    if time.monotonic() - written > WRITE_SECONDS:
                        write(done)
                        done, written = [], time.monotonic()
                    bar.update(count=len(batch))
        finally:
            if done:
                write(done)
            report.seconds += time.monotonic() - started

    def _batches(self, items: Iterable, report: EmbedReport) -> Iterator[list]:
        """Batches of ``(item, image)``; the image is None where it could not be read."""
        batch = []
        for pair in self._read_ahead(items, report):
            batch.append(pair)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read_ahead(self, items: Iterable, report: EmbedReport) -> Iterator[tuple[Any, Image | None]]:
        if not self.num_workers:
            yield from ((item, self._try_read(item.filepath, report)) for item in items)
            return
        waiting: deque[tuple[Any, Future]] = deque()
        pool = ThreadPoolExecutor(self.num_workers)
        try:
            for item in items:
                waiting.append((item, pool.submit(self._try_read, item.filepath, report)))
                if len(waiting) > 2 * self.batch_size:
                    first, future = waiting.popleft()
                    yield first, future.result()
            yield from ((item, future.result()) for item, future in waiting)
        finally:
            pool.shutdown(cancel_futures=True)

    def _try_read(self, path: str, report: EmbedReport) -> Image | None:
        try:
            return self.read(path)
        except Exception as error:  # a decoder may raise anything on a broken file
            self._failed(path, error, report)
            return None

    def _work(self, good: list[tuple[Any, Image]], work: Work, report: EmbedReport) -> list[tuple[Any, Any]]:
        """The results of a batch; where it fails, image by image, to find the one that makes it fail."""
        if not good:
            return []
        items, images = map(list, zip(*good, strict=True))
        try:
            return list(zip(items, work(items, images), strict=True))
        except Exception as error:
            if len(good) == 1:
                self._failed(items[0].filepath, error, report)
                return []
            done = [result for pair in good for result in self._work([pair], work, report)]
            if not done:
                raise  # every image fails: the model is at fault
            return done

    def _failed(self, path: str, error: Exception, report: EmbedReport) -> None:
        if not self.skip_failures:
            raise error
        report.failures[path] = f"{type(error).__name__}: {error}"
