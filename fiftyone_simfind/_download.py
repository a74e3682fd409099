"""Images from the addresses of a manifest, fetched without being a nuisance to whoever serves them."""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import fiftyone as fo

from fiftyone_simfind import _fetch, _fields, _manifest, _photos
from fiftyone_simfind._manifest import Entry
from fiftyone_simfind._shelf import Shelf
from fiftyone_simfind._turns import Job, Turns
from fiftyone_simfind.errors import FetchError, ImageError, ManifestError, OptionError

FIRST_WAIT = 1.0  # s before the second try; before each further one twice as long
LONGEST_WAIT = 120.0  # s; whoever asks for more is left alone


@dataclass
class DownloadReport:
    """What :func:`download_images` did.

    Attributes:
        entries: those of the manifest: ``url``, ``product``, ``link`` and ``sha256`` of each
        paths: the file of each entry, None where there is none
        downloaded: files that were fetched or copied in this run
        already_there: files that an earlier run had left
        failures: reason by address, for those that gave no image
        bytes: size of what was downloaded
        seconds: wall time
    """

    entries: list[Entry] = field(repr=False)
    paths: list[str | None] = field(repr=False)
    downloaded: int = 0
    already_there: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        parts = [f"{self.downloaded:,} images downloaded ({self.bytes / 2**20:,.1f} MB, {self.seconds:.1f} s)"]
        if self.already_there:
            parts.append(f"{self.already_there:,} were there before")
        if self.failures:
            url, reason = next(iter(self.failures.items()))
            parts.append(f"{len(self.failures):,} failed, the first is {url}: {reason}")
        return "; ".join(parts)

    def to_dataset(self, name: str | None = None) -> Any:
        """A new dataset with a sample for each entry that has a file.

        Its fields are ``product``, a ``Classification``, ``url`` and ``link``.

        Args:
            name: of the dataset

        Returns:
            a ``fiftyone.Dataset``

        Raises:
            ManifestError: no entry has a file
        """
        there = [(path, *entry[:3]) for path, entry in zip(self.paths, self.entries, strict=True) if path]
        if not there:
            raise ManifestError(f"there is nothing to make a dataset of: {self}")
        return _fields.products(name, there)


class _Done(NamedTuple):
    """What became of a job: the file and its size, or why there is none."""

    job: Job
    path: Path | None = None
    size: int = 0
    reason: str = ""


def download_images(
    manifest: Any,
    folder: str | Path,
    *,
    concurrency: int = 4,
    retries: int = 3,
    timeout: float = 30,
    allowed_hosts: Collection[str] = (),
    progress: Any = None,
) -> DownloadReport:
    """The images of a manifest as files in a folder, fetched politely, each checked to be an image.

    A manifest lists addresses and what they show. ``http`` and ``https`` are fetched by :func:`fetch_image`, and
    ``file:`` is read from this machine::

        [{"url": "https://example.com/mug-1.jpg", "product": "mug", "link": "https://example.com/mug",
          "sha256": "..."}, {"url": "file:photos/mug-2.jpg", "product": "mug"}]

    ``link`` and ``sha256`` may be left out, ``{"mug": ["https://...", "photos/mug-2.jpg"]}`` says the same without
    them, and files are looked for beside the manifest.

    No host is asked for more than two files at once. What fails and may succeed later, since the host is busy, slow or
    breaks off, is tried again after 1, 2, 4 ... seconds, more or less at random, or when the host's ``Retry-After``
    says; until then that host is not asked for anything. A file is written under another name first, so that one that
    is there is whole; a second call fetches only what is missing or has another ``sha256``.

    Args:
        manifest: path of a JSON file, or what it holds
        folder: where the files are written; made if it is not there
        concurrency: how many files are fetched at once
        retries: how many more times something is tried
        timeout: seconds that one try may take
        allowed_hosts: as of :func:`fetch_image`
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        where each entry's file is, and what was done

    Raises:
        ManifestError: the manifest cannot be read, or an entry is none
        OptionError: an option is out of range
    """
    for name, value, least in (("concurrency", concurrency, 1), ("retries", retries, 0)):
        if not isinstance(value, int) or value < least:
            raise OptionError(f"{name}={value!r} must be a whole number of at least {least}")
    if not 0 < timeout < float("inf"):
        raise OptionError(f"timeout={timeout!r} must be more than 0 seconds")
    started = time.monotonic()
    entries = _manifest.read(manifest)
    shelf = Shelf(Path(folder).expanduser())
    jobs = _jobs(entries)
    files = {job.url: shelf.find(job.url, job.sha256) for job in jobs}
    todo = [job for job in jobs if files[job.url] is None]
    report = DownloadReport(entries, [], already_there=len(jobs) - len(todo))
    fetcher = _Fetcher(shelf, retries, timeout, allowed_hosts)
    with fo.ProgressBar(total=len(todo), iters_str="images", progress=progress) as bar:
        for done in bar(fetcher.run(todo, concurrency)):
            files[done.job.url] = done.path
            report.downloaded += done.path is not None
            report.bytes += done.size
            if done.path is None:
                report.failures[done.job.url] = done.reason
    report.paths = [str(path) if path else None for path in (files[entry.url] for entry in entries)]
    report.seconds = time.monotonic() - started
    return report


def _jobs(entries: Iterable[Entry]) -> list[Job]:
    """What to fetch: every address once."""
    digests: dict[str, str | None] = {}
    for entry in entries:
        digests[entry.url] = digests.get(entry.url) or entry.sha256
    return [Job(url, _host(url), digest) for url, digest in digests.items()]


def _host(url: str) -> str:
    """Whom an address asks, as far as it is one; nobody for a file of this machine."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


class _Fetcher:
    """Gets files and puts them onto a shelf."""

    def __init__(self, shelf: Shelf, retries: int, timeout: float, allowed_hosts: Collection[str]):
        self._shelf, self._retries = shelf, retries
        self._options: dict[str, Any] = {"timeout": timeout, "allowed_hosts": allowed_hosts}

    def run(self, jobs: list[Job], concurrency: int) -> Iterable[_Done]:
        """What became of each job, as they are done."""
        turns, results = Turns(jobs), queue.Queue[_Done | BaseException]()
        with ThreadPoolExecutor(concurrency, thread_name_prefix="simfind-download") as pool:
            try:
                for _ in range(min(concurrency, len(jobs))):
                    pool.submit(self._work, turns, results)
                for _ in jobs:
                    done = results.get()
                    if isinstance(done, BaseException):
                        raise done
                    yield done
            finally:
                turns.stop()

    def _work(self, turns: Turns, results: queue.Queue[_Done | BaseException]) -> None:
        while (job := turns.take()) is not None:
            try:
                done = self._try(job, turns)
            except BaseException as error:  # such as a full disk: the caller is told
                results.put(error)
                raise
            for one in done:
                results.put(one)

    def _try(self, job: Job, turns: Turns) -> list[_Done]:
        """What became of a job, and of others with it; nothing yet if it is to be tried again."""
        job.tries += 1
        try:
            content = self._content(job.url)
            path = self._shelf.keep(job.url, job.sha256, content)
        except ImageError as error:
            turns.done(job)
            return [_Done(job, reason=str(error))]
        except FetchError as error:
            return self._after(error, job, turns)
        turns.done(job)
        return [_Done(job, path, len(content))]

    def _content(self, url: str) -> bytes:
        path = Entry(url, "").path
        if path is not None:
            return _photos.read_content(path, _photos.MAX_BYTES)[0]
        return _fetch.fetch_image(url, **self._options)

    def _after(self, error: FetchError, job: Job, turns: Turns) -> list[_Done]:
        """Have a job that failed tried again, if that may help."""
        pause = error.retry_after or 0.0
        if pause > LONGEST_WAIT:
            reason = f"{error}, and asks to be left alone for {pause:,.0f} s; call again then"
            return [_Done(one, reason=reason) for one in (job, *turns.give_up(job))]
        if not error.again or job.tries > self._retries:
            turns.done(job, pause=pause)
            return [_Done(job, reason=f"{error} ({job.tries} times)" if job.tries > 1 else str(error))]
        wait = FIRST_WAIT * 2 ** (job.tries - 1) * random.uniform(0.5, 1.5)
        turns.done(job, again_in=max(min(wait, LONGEST_WAIT), pause), pause=pause)
        return []
