"""What a worker of a cluster does with a part of the samples.

Imports FiftyOne only at work, so that a machine that does not reach the database can say so.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pymongo.errors import AutoReconnect

from fiftyone_simfind import __version__
from fiftyone_simfind._types import EmbedReport
from fiftyone_simfind.errors import ClusterError, SimfindError
from fiftyone_simfind.numerics import ids as nid


class LostDatabase(ClusterError):
    """The database does not answer, which may be over when a part is tried again."""


@dataclass(frozen=True)
class Job:
    """What all parts of a run have in common.

    Attributes:
        verb: name of a function of the SDK
        dataset: name of the dataset
        field: the field of the objects
        options: of the verb
        folder: where the caller is, and names of weights are looked up
        weights: digest of the weights file, or None where the model has none there
        database: hosts of the database
        version: of this package, on the caller's machine
    """

    verb: str
    dataset: str
    field: str
    options: dict[str, Any]
    folder: str
    weights: str | None
    database: str
    version: str = __version__


@dataclass(frozen=True)
class Part:
    """Some samples; ``objects`` are, for each, the ids of the objects to do, 12 bytes an id, or None for all."""

    samples: nid.Ids
    objects: list[bytes] | None = None


def do(job: Job, part: Part) -> EmbedReport:
    """Do a part; what an earlier try of it has written is left as it is, and counted.

    Raises:
        ClusterError: this machine does not see the database, the images or the weights as the caller does
    """
    try:
        return _do(job, part)
    except KeyboardInterrupt:  # cancelled; what was being imported then must not be used by another task
        raise SystemExit from None
    except SimfindError as error:
        raise type(error)(f'{error} (on machine "{socket.gethostname()}")') from None


def _do(job: Job, part: Part) -> EmbedReport:
    if job.version != __version__:
        raise ClusterError(f"fiftyone-simfind is {__version__} here and {job.version} where it was called")
    _check_weights(job)
    try:
        from fiftyone_simfind import _fields  # may connect to the database

        return _run(job, part, _fields)
    except (ConnectionError, AutoReconnect) as error:
        raise LostDatabase(f"the database at {job.database} cannot be reached: {error}") from None


def _run(job: Job, part: Part, fields: Any) -> EmbedReport:
    import fiftyone_simfind as simfind

    samples = nid.to_hex(part.samples).tolist()
    objects = None if part.objects is None else nid.to_hex(nid.pack(part.objects)).tolist()
    try:
        view = fields.some_samples(job.dataset, samples, job.field, objects)
    except fields.NO_DATASET:
        raise ClusterError(f'the database at {job.database} has no dataset "{job.dataset}"') from None
    _check_images(fields.image_folders(view))
    report = getattr(simfind, job.verb)(view, **job.options)
    if report.already_done:  # by a worker that died; all of the part was to be done when it was made
        report.images += report.already_done
        vectors = f"{job.field}.detections.{job.options['embeddings_field']}"
        report.objects = fields.count_values(view, vectors)
    return report


def _check_images(folders: set[str]) -> None:
    """Raise where none of the images can be there: such a machine would fail quickly, and take most of the parts."""
    if folders and not any(os.path.isdir(folder) for folder in folders):
        raise ClusterError(
            f'the folder "{min(folders)}" of the images does not exist. Make the images visible at the same path on '
            "all machines of the cluster"
        )


def _check_weights(job: Job) -> None:
    if os.path.isdir(job.folder):
        os.chdir(job.folder)
    model = job.options["model"]
    here = digest(model)
    if job.weights and here != job.weights:
        differ = "are not those" if here else "do not exist, as they do"
        raise ClusterError(
            f'the weights "{model}" in "{os.getcwd()}" {differ} where the run was started. Put the same file at the '
            "same path on all machines of the cluster"
        )


def digest(model: str) -> str | None:
    """What tells a weights file from others, or None where the model is no file here."""
    for path in (model, model.partition(":")[2]):  # also "resnet50:/path/to/file.pth"
        if os.path.isfile(os.path.expanduser(path)):
            return _digest(os.path.abspath(os.path.expanduser(path)), os.path.getmtime(os.path.expanduser(path)))
    return None


@lru_cache(maxsize=4)
def _digest(path: str, changed: float) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
