"""What an index lacks, and how it gets it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _embedding, _fields, _gallery
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._types import EmbedReport, IndexStatus
from fiftyone_simfind.backend.sidecar import Table
from fiftyone_simfind.errors import ModelError
from fiftyone_simfind.numerics import ids as idx
from fiftyone_simfind.numerics import stamps as st


def status(samples: Any, *, brain_key: str = "simfind") -> IndexStatus:
    """How an index stands to its dataset: what is new, edited, removed, or made by another model.

    Only what was modified since the index was made or refreshed is read, so that asking is cheap::

        print(simfind.status(dataset))

    Args:
        samples: dataset or view; the index covers the whole dataset
        brain_key: name of the index, made with ``backend="simfind"``

    Raises:
        BrainRunError: there is no such index, or another backend keeps it
    """
    return _look(samples, brain_key).status


def refresh(
    samples: Any,
    *,
    brain_key: str = "simfind",
    model: Any = None,
    batch_size: int = 8,
    num_workers: int | None = None,
    device: Any = None,
    skip_failures: bool = True,
    progress: Any = None,
) -> IndexStatus:
    """Embed what is new or edited, drop what is gone, and bring the index up to date in place.

    Nothing else is embedded or written: the work is that of what has changed. An object is edited when its box is
    another one than its vector was made of. A run that was stopped is taken up where it was. Vectors that simfind did
    not make are taken as they are; objects without one then stay out of the index.

    What the index compares objects by (``whiten`` of :func:`build_index`) is fitted anew when the index has grown or
    shrunk by a tenth and scores would change by 0.02 in the mean.

    Args:
        samples: dataset or view; the index covers the whole dataset
        brain_key: name of the index, made with ``backend="simfind"``
        model: the model that made the vectors; default is to load it from where it was loaded then
        batch_size: images in a forward pass
        num_workers: threads that read images ahead; default up to 4
        device: torch device such as ``"cuda:0"``; default is the first GPU, or else the CPU
        skip_failures: go on after an image that cannot be read
        progress: True, False, None for FiftyOne's default, or a function that is given the progress bar

    Returns:
        how the index stands then

    Raises:
        BrainRunError: there is no such index, or another backend keeps it
        ModelError: the model is not the one that made the vectors, or cannot be loaded
    """
    found = _look(samples, brain_key)
    if found.label_ids and found.facts is not None:
        embedder = _embedder(found, model, device)
        from fiftyone_simfind.models import images

        batches = Batches(images.read, batch_size, num_workers, skip_failures, progress)
        sample_ids = list(dict.fromkeys(found.sample_ids))
        objects, masks = found.path.rpartition(".")[0], _embedding.takes_masks(embedder)
        items = _fields.boxed_objects(samples, objects, sample_ids, found.label_ids, masks=masks)
        report = EmbedReport(embedder.name)
        _embedding.run(samples, found.path, embedder, batches, items, len(sample_ids), report)
    _gallery.our_index(samples, brain_key).reload()
    return _look(samples, brain_key).status


class _Look(NamedTuple):
    """How an index stands, and what of its objects is to be embedded."""

    status: IndexStatus
    path: str
    facts: dict[str, Any] | None
    label_ids: list[str]
    sample_ids: list[str]


def _look(samples: Any, brain_key: str) -> _Look:
    index = _gallery.our_index(samples, brain_key)
    fields = _gallery.index_fields(samples, brain_key)
    path = f"{_fields.objects_path(samples, fields.patches_field)}.{fields.embeddings_field}"
    facts = _fields.recorded(samples, path)
    before = index.rows
    changes = index.home.changes(before, whole=True)
    table = changes.table
    foreign = _foreign(table, facts)
    stale = table.alive & (table.edited | foreign)
    waiting = ~table.pending_tried
    stands = IndexStatus(
        brain_key=brain_key,
        objects=int(table.alive.sum()) + len(table.pending) + changes.unusable,
        indexed=len(before.living),
        new=int(waiting.sum()),
        edited=int((table.alive & table.edited).sum()),
        removed=changes.removed,
        other_model=int((before.table.alive & _foreign(before.table, facts)).sum()),
        not_indexed=len(changes.new) + changes.moved,
        without_vector=int(table.pending_tried.sum()) + changes.unusable,
        relabelled=_relabelled(before.table, table),
    )
    ids = np.concatenate([table.ids[stale], table.pending[waiting]])
    owners = np.concatenate([table.sample_rows[stale], table.pending_rows[waiting]])
    return _Look(stands, path, facts, idx.to_hex(ids).tolist(), idx.to_hex(table.samples[owners]).tolist())


def _foreign(table: Table, facts: dict[str, Any] | None) -> NDArray[np.bool_]:
    """Which vectors were made by another model than the one that fills their field now."""
    if facts is None:
        return np.zeros(len(table.ids), bool)
    return (table.stamps > 0) & (st.model_of(table.stamps) != st.model_bits(facts["model"]))


def _relabelled(before: Table, now: Table) -> int:
    """How many objects that stay are of another class now; ``now`` begins with the rows of ``before``."""
    count = len(before.ids)
    codes = np.append(np.searchsorted(now.classes, before.classes), -1)[before.label_codes]
    return int((now.alive[:count] & (codes != now.label_codes[:count])).sum())


def _embedder(found: _Look, model: Any, device: Any) -> Any:
    from fiftyone_simfind.models import load_embedder

    assert found.facts is not None
    wanted, weights = found.facts["model"], found.facts["weights"]
    if model is None and weights is None:
        raise ModelError(
            f'"{found.path}" was filled by {wanted}, which did not come from a file; give it: '
            "simfind.refresh(samples, model=...)"
        )
    embedder = load_embedder(weights if model is None else model, image_size=found.facts["image_size"], device=device)
    if embedder.name != wanted:
        raise ModelError(
            f'"{found.path}" holds vectors of {wanted}, and model={model!r} is {embedder.name}. Give the one that made '
            "them, or replace them all with simfind.embed(..., overwrite=True)"
        )
    return embedder
