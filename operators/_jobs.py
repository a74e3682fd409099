"""Long operators: what they note of their state in the dataset, how they show progress, how they are stopped.

The state lies in the dataset's execution store ``simfind``, under ``job:<operator>``; so every tab of the App, and
every process, can see and stop what another one started.
"""

from __future__ import annotations

import inspect
import os
import platform
import queue
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import fiftyone as fo
import psutil
from fiftyone.operators.message import GeneratedMessage, MessageType

import fiftyone_simfind as simfind

from ._errors import in_words

STORE = "simfind"
KEPT_SECONDS = 7 * 24 * 3600
LOST_SECONDS = 3600  # without a word from another machine
PROGRESS_SECONDS = 0.25
NOTE_SECONDS = 0.5
LONG = ("detect_objects", "embed_objects", "build_index", "refresh_index", "visualize_objects") + (
    "compute_neighbors",
    "evaluate_retrieval",
)

Report = Callable[..., None]


class Cancelled(Exception):
    """Somebody asked to stop."""


def in_the_app(ctx: Any) -> bool:
    """Whether the App waits for the answer; not when a script does, nor when it runs on the queue."""
    return "operator_uri" in ctx.request_params and not ctx.delegated


class Job:
    """The state of a long operator on a dataset.

    Args:
        ctx: the operator's execution context
        label: what is being done
        keeps: whether what is finished stays when it is stopped, and a later run goes on from there
    """

    def __init__(self, ctx: Any, label: str, keeps: bool):
        self.operator = ctx.operator_uri.rpartition("/")[2]
        self._store = ctx.store(STORE)
        self._keeps = keeps
        self._noted = 0.0
        self.state: dict[str, Any] = {
            "state": "running",
            "operator": self.operator,
            "label": label,
            "done": 0,
            "total": None,
            "unit": None,
            "started": time.time(),
            "start": ctx.params.get("start"),
            "delegated": bool(ctx.delegated),
            "message": f"{label} ...",
            "stoppable": False,
            "process": this_process(),
        }

    def start(self) -> None:
        """Note that it runs.

        Raises:
            OptionError: it already does, on the same dataset
        """
        before = ended(self._store.get(_key(self.operator)))
        while not self._replace(before):  # another one was quicker
            before = ended(self._store.get(_key(self.operator)))
        self._store.delete(_cancel_key(self.operator))

    def advance(self, bar: Any) -> str:
        """Note how far it is, and say it.

        Raises:
            Cancelled: it is to stop
        """
        unit = getattr(bar, "_iters_str", None) or "images"
        self.state.update(done=int(bar.iteration), total=int(bar.total or 0), unit=unit)
        text = f"{self.state['done']:,} of {self.state['total']:,} {unit}"
        if time.monotonic() - self._noted > NOTE_SECONDS:
            self.state["message"] = f"{text}."
            self._note()
            if self._store.has(_cancel_key(self.operator)):
                raise Cancelled
        return text

    def end(self, state: str, message: str) -> None:
        """Note how it ended."""
        self.state.update(state=state, message=message)
        self._note()
        self._store.delete(_cancel_key(self.operator))

    def stopped(self) -> str:
        """What to say when somebody stopped it."""
        of = f" after {self.state['done']:,} of {self.state['total']:,} {self.state['unit']}"
        rest = "What was finished stays, and running it again goes on from there" if self._keeps else "Nothing changed"
        return f"{self.state['label']} was stopped{of}. {rest}"

    def _replace(self, before: dict[str, Any] | None) -> bool:
        """Note that it runs, unless something else was noted since."""
        key, now = _key(self.operator), {**self.state, "updated": time.time()}
        if before is None:
            return bool(self._store.set_if_absent(key, now, ttl=KEPT_SECONDS))
        return bool(self._store.compare_and_set(key, before, now, ttl=KEPT_SECONDS))

    def _note(self) -> None:
        self._noted = time.monotonic()
        self._store.set(_key(self.operator), {**self.state, "updated": time.time()}, ttl=KEPT_SECONDS)


def run(
    ctx: Any,
    label: str,
    verb: Callable,
    *args: Any,
    options: dict[str, Any],
    describe: Callable[[Any], dict[str, Any]] = lambda done: {"summary": str(done)},
    keeps: bool = False,
) -> Any:
    """Run a long SDK call, with progress in the App, on the delegated operation, and in the dataset's store.

    Args:
        ctx: the operator's execution context
        label: what is being done
        verb: the SDK function
        *args: its first arguments
        options: its keywords
        describe: gives the operator's results, with a ``summary``, from what the verb returned
        keeps: as of :class:`Job`

    Returns:
        a generator of messages when the App waits for them; otherwise the results
    """
    job = Job(ctx, label, keeps)
    job.state["stoppable"] = "progress" in inspect.signature(verb).parameters

    def work(report: Report) -> dict[str, Any]:
        job.start()
        try:
            results = describe(verb(*args, **options, **_reporting(verb, job, report)))
        except Cancelled:
            results = {"summary": job.stopped(), "cancelled": True}
        except BaseException as error:
            job.end("failed", in_words(error))
            raise
        job.end("cancelled" if results.get("cancelled") else "done", results["summary"])
        return results

    if not in_the_app(ctx):
        return work(ctx.set_progress if ctx.delegated else lambda **step: None)
    return _quietly(ctx, work) if ctx.params.get("quiet") else _with_progress(ctx, label, work)


def _reporting(verb: Callable, job: Job, report: Report) -> dict[str, Any]:
    """The keyword that makes a verb report its progress, where it can."""

    def on_progress(bar: Any) -> None:
        report(label=job.advance(bar), progress=bar.progress)

    if "progress" not in inspect.signature(verb).parameters:
        return {}
    return {"progress": fo.report_progress(on_progress, dt=PROGRESS_SECONDS)}


def _with_progress(ctx: Any, label: str, work: Callable[[Report], dict[str, Any]]) -> Iterator:
    yield ctx.ops.set_progress(label=label, progress=0)
    outcome = None
    for step in _steps(work):
        if "outcome" in step:
            outcome = step["outcome"]
        else:
            yield ctx.ops.set_progress(label=f"{label}: {step['label']}", progress=step["progress"])
    text, failed = _told(outcome)
    yield ctx.ops.set_progress(label=text, progress=0 if failed else 1)
    yield from _last(ctx, outcome)


def _quietly(ctx: Any, work: Callable[[Report], dict[str, Any]]) -> Iterator:
    """For the panel, which shows the progress itself."""
    for step in _steps(work):
        if "outcome" in step:
            yield from _last(ctx, step["outcome"])


def _steps(work: Callable[[Report], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What is reported, and at last the outcome; the work goes on when nobody asks for more."""
    steps: queue.Queue = queue.Queue()
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work, lambda **step: steps.put(step))
    pool.shutdown(wait=False)
    while not future.done():
        try:
            yield steps.get(timeout=PROGRESS_SECONDS)
        except queue.Empty:
            continue
    yield {"outcome": future.exception() or future.result()}


def _told(outcome: Any) -> tuple[str, bool]:
    if isinstance(outcome, BaseException):
        return in_words(outcome), True
    return outcome["summary"], False


def _last(ctx: Any, outcome: Any) -> Iterator:
    text, failed = _told(outcome)
    if not failed:
        yield ctx.ops.reload_dataset()
    variant = "error" if failed else "warning" if outcome.get("cancelled") else "success"
    yield ctx.ops.notify(text, variant=variant)
    if not failed and len(outcome) > 1 and not ctx.params.get("quiet") and not outcome.get("cancelled"):
        yield GeneratedMessage(MessageType.SUCCESS, cls=ExecutionResult, body=ExecutionResult(outcome))


class ExecutionResult:
    """What a generator hands to the App as the results to show; the App knows it by this name."""

    def __init__(self, results: dict[str, Any]):
        self._results = results

    def to_json(self) -> dict[str, Any]:
        return self._results


# --- the jobs of a dataset --------------------------------------------------------------------------------------------


def jobs(ctx: Any) -> list[dict[str, Any]]:
    """The state of every long operator that ran on the open dataset within a week, the latest first."""
    store = ctx.store(STORE)
    found = [shown(store.get(_key(operator))) for operator in LONG]
    return sorted((job for job in found if job), key=lambda job: -job["started"])


def require_ended(ctx: Any, operator: str) -> None:
    """Do nothing where a long operator may be started on the open dataset.

    Raises:
        OptionError: it is under way there
    """
    ended(ctx.store(STORE).get(_key(operator)))


def ended(job: dict[str, Any] | None) -> dict[str, Any] | None:
    """A noted job that has ended, as it is.

    Raises:
        OptionError: it is under way
    """
    told = shown(job)
    if told and told["state"] == "running":
        raise simfind.OptionError(
            f"{told['label']} is already under way on this dataset: {told['message']} Wait until it is done, or stop "
            "it in the panel “Object search”"
        )
    return job


def cancel(ctx: Any, operator: str) -> dict[str, Any] | None:
    """Ask a long operator to stop at its next report, where it makes any; None when it does not run."""
    store = ctx.store(STORE)
    job = shown(store.get(_key(operator)))
    if job is None or job["state"] != "running":
        return None
    if job["stoppable"]:
        store.set(_cancel_key(operator), True, ttl=LOST_SECONDS)
    return job


def shown(job: dict[str, Any] | None) -> dict[str, Any] | None:
    """A noted job as others see it: one whose process has ended without a word has failed."""
    if job is None:
        return None
    told = {key: value for key, value in job.items() if key != "process"}
    if job["state"] == "running" and not _lives(job):
        told["state"] = "failed"
        told["message"] = "The process that did this has ended. Run it again; what was finished is kept"
    return told


def this_process() -> dict[str, Any]:
    """What tells this process from all others."""
    return {"host": platform.node(), "pid": os.getpid(), "born": psutil.Process().create_time()}


def _lives(job: dict[str, Any]) -> bool:
    process = job["process"]
    if process["host"] != platform.node():
        return time.time() - job["updated"] < LOST_SECONDS
    try:
        return abs(psutil.Process(process["pid"]).create_time() - process["born"]) < 1
    except psutil.Error:
        return False


def _key(operator: str) -> str:
    return f"job:{operator}"


def _cancel_key(operator: str) -> str:
    return f"cancel:{operator}"
