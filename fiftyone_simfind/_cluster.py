"""A verb on many machines: parts of the samples as tasks of a Ray cluster, which write to the database they share.

A part is safe to do again, on whatever machine: the verb leaves alone what has been written. So nothing is kept about
the parts but in the memory of the caller, and a run that was stopped goes on when it is called again.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any

import fiftyone as fo
from fiftyone.core import odm
from pymongo import uri_parser

from fiftyone_simfind import _cluster_task, _fields
from fiftyone_simfind._cluster_task import Job, Part
from fiftyone_simfind._types import GIVEN_CORES, EmbedReport
from fiftyone_simfind.errors import ClusterError, OptionError, PackageError, SimfindError
from fiftyone_simfind.numerics import ids as nid

LARGEST_PART = 500  # images: what a worker that dies loses at most, and has to be done again
SMALLEST_PART = 20  # a part costs about a tenth of a second on top of its images
PARTS_EACH = 16  # parts that a worker gets in a run, at least, so that all end at about the same time
CORES = 8  # of a worker: Python's share of the work, which one core does, keeps no more of them busy
RETRIES = 3  # of a part whose worker died or lost the database
STORE = 100 << 20  # bytes of shared memory of a Ray of our own, which carries ids only


def require(cluster: Any, *, model: Any, device: str | None) -> None:
    """Raise unless a run on a cluster is possible; for before anything is changed.

    Raises:
        ClusterError: the cluster cannot be reached, or its machines cannot do the work
        OptionError: an option cannot be sent to other machines
        PackageError: ray is not installed
    """
    if not isinstance(cluster, str) or not cluster:
        raise OptionError(f'cluster={cluster!r} must be "local", "auto", or an address such as "ray://host:10001"')
    if not isinstance(model, (str, os.PathLike)):
        raise OptionError(
            f"model={model!r} cannot be sent to other machines: with cluster= give the name or the path of a model "
            "that all of them can load"
        )
    if str(device) not in ("None", "cpu", "cuda", "cuda:0"):
        raise OptionError(f'device="{device}": every worker of a cluster sees one GPU; give None, "cpu" or "cuda"')
    _ray(cluster)
    if cluster != "local":
        with _connected(cluster) as ray:
            _needs(ray, device)
            _database(ray)


def run(verb: str, view: Any, options: Mapping[str, Any], cluster: str, report: EmbedReport) -> EmbedReport:
    """Run a verb on the machines of a cluster, on the samples of a view that are not done; what is done stays.

    Args:
        verb: ``"detect"`` or ``"embed"``
        view: image samples, whose fields are declared and recorded
        options: of the verb, by keyword; ``progress`` is that of the caller
        cluster: address of a Ray cluster, ``"auto"``, or ``"local"`` for one process a GPU of this machine
        report: is filled in, and returned

    Raises:
        ClusterError: the cluster cannot be reached, or its machines cannot do the work
        PackageError: ray is not installed
    """
    by_object = verb == "embed"
    field = options["patches_field" if by_object else "label_field"]
    ids, objects = _fields.unfinished(view, field, options["embeddings_field"], by_object=by_object)
    started = time.monotonic()
    try:
        if len(ids):
            with _connected(cluster) as ray:
                job = _job(ray, verb, _fields.dataset_of(view).name, field, options)
                _do(ray, job, ids, objects, options, report)
    finally:
        report.seconds += time.monotonic() - started
    return report


def _ray(cluster: str) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # sends nothing anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns of what will change some day
    try:
        import ray
    except ImportError as error:
        raise PackageError(f'cluster="{cluster}" needs ray: pip install "fiftyone-simfind[ray]"') from error
    return ray


@contextmanager
def _connected(cluster: str) -> Iterator[Any]:
    """Ray, connected to a cluster; a connection that the caller has is used and left open."""
    ray = _ray(cluster)
    if ray.is_initialized():
        yield ray
        return
    own = {"include_dashboard": False, "object_store_memory": STORE} if cluster == "local" else {}
    try:
        _knock(cluster)
        ray.init(address=cluster, log_to_driver=False, logging_level="error", **own)
    except (ray.exceptions.RayError, OSError, ValueError, RuntimeError, ImportError) as error:
        raise ClusterError(
            f'cluster="{cluster}" cannot be reached: {_first_line(error)}. Give "auto" on a machine of a Ray cluster, '
            'its address such as "ray://host:10001", or "local"'
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(cluster: str) -> None:
    """Raise OSError where nothing answers at an address; Ray would try for minutes."""
    host, colon, port = cluster.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=10).close()


def _job(ray: Any, verb: str, dataset: str, field: str, options: Mapping[str, Any]) -> Job:
    model = os.fspath(options["model"])
    theirs = {key: value for key, value in options.items() if key != "cluster"}
    theirs |= {"overwrite": False, "progress": False, "model": model}
    return Job(verb, dataset, field, theirs, os.getcwd(), _cluster_task.digest(model), _database(ray))


def _database(ray: Any) -> str:
    """The hosts of the database.

    Raises:
        ClusterError: the machines of the cluster cannot reach them
    """
    uri = fo.config.database_uri
    hosts = [host for host, _ in uri_parser.parse_uri(uri)["nodelist"]] if uri else ["localhost"]
    machines = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if machines != {socket.gethostname()} and set(hosts) <= {"localhost", "127.0.0.1", "::1"}:
        raise ClusterError(
            f"the machines of the cluster ({', '.join(sorted(machines))}) cannot reach the database at {hosts[0]}. Run "
            "MongoDB where all of them can, and set FIFTYONE_DATABASE_URI to it; see docs/scale.md"
        )
    return ", ".join(hosts)


def _environment(cores: int) -> dict[str, str]:
    """What makes a worker use the cores that it has and the database of the caller, and change samples alone in it."""
    uri = fo.config.database_uri or "mongodb://{}:{}".format(*odm.get_db_conn().client.address)
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_NAME": fo.config.database_name,
        "FIFTYONE_DATABASE_VALIDATION": str(fo.config.database_validation).lower(),
        "FIFTYONE_DATABASE_ADMIN": "false",
        "FIFTYONE_DO_NOT_TRACK": "true",
        GIVEN_CORES: str(max(cores, 1)),
    }


def _do(
    ray: Any, job: Job, ids: nid.Ids, objects: list[bytes], options: Mapping[str, Any], report: EmbedReport
) -> None:
    """Have all parts done, and count them in the report."""
    needs, workers = _needs(ray, options.get("device"))
    size = min(LARGEST_PART, max(SMALLEST_PART, len(ids) // (workers * PARTS_EACH)))
    parts = (
        Part(ids[start : start + size], objects[start : start + size] or None) for start in range(0, len(ids), size)
    )
    task = ray.remote(_cluster_task.do).options(
        name=f"simfind.{job.verb}",
        max_retries=RETRIES,
        retry_exceptions=[_cluster_task.LostDatabase],
        runtime_env={"env_vars": _environment(int(needs["num_cpus"]))},
        **needs,
    )
    shared = ray.put(job)
    done = _finished(ray, lambda part: task.remote(shared, part), parts, 2 * workers)
    progress = options.get("progress")
    with closing(done), fo.ProgressBar(total=len(ids), iters_str="images", progress=progress) as bar:
        for part, found in done:
            report.images += found.images
            report.objects += found.objects
            report.without_vector += found.without_vector
            report.failures.update(found.failures)
            report.engine = _together(report.engine, found.engine)
            bar.update(count=len(part.samples))


def _together(engines: str | None, engine: str | None) -> str | None:
    """The engines of several workers, whose machines may have different ones."""
    return ", ".join(sorted({*(engines or "").split(", "), engine or ""} - {""})) or None


def _needs(ray: Any, device: str | None) -> tuple[dict[str, float], int]:
    """What a worker takes of its machine, and how many workers there is room for: a GPU each, or else some cores.

    Raises:
        ClusterError: there is room for none
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    with_gpu = [m for m in machines if m.get("GPU", 0) >= 1]
    if with_gpu and device != "cpu":
        cores = min(CORES, *(int(m.get("CPU", 0) // m["GPU"]) for m in with_gpu))
        return {"num_gpus": 1, "num_cpus": cores}, sum(int(m["GPU"]) for m in with_gpu)
    cores_of = [int(m["CPU"]) for m in machines if m.get("CPU", 0) >= 1]
    if not cores_of:
        raise ClusterError("no machine of the cluster takes work; add some with: ray start --address=HEAD:6379")
    cores = min(cores_of) // math.ceil(min(cores_of) / CORES)
    return {"num_cpus": cores}, sum(have // cores for have in cores_of)


def _finished(
    ray: Any, start: Callable[[Part], Any], parts: Iterator[Part], limit: int
) -> Generator[tuple[Part, EmbedReport], None, None]:
    """Parts as they are done; never more than ``limit`` are with the cluster. What is left is cancelled at the end."""
    running: dict[Any, Part] = {}
    try:
        while True:
            running.update((start(part), part) for part in islice(parts, limit - len(running)))
            if not running:
                return
            for ref in ray.wait(list(running))[0]:
                part = running.pop(ref)
                yield part, _result(ray, ref, part)
    finally:
        for ref in running:
            ray.cancel(ref)  # as Ctrl-C: the verb writes what it has


def _result(ray: Any, ref: Any, part: Part) -> EmbedReport:
    try:
        return ray.get(ref)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from (None if isinstance(error.cause, SimfindError) else error)
    except ray.exceptions.RayError as error:
        raise ClusterError(
            f"{len(part.samples)} images were given up after {RETRIES + 1} workers: {_first_line(error)} The first of "
            f"them is sample {nid.to_hex(part.samples[:1])[0]}. Workers that die mostly had too little memory"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". ")
