"""Order the best matches of an index again, by what a second network sees in their crops."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiftyone_simfind import _fields
from fiftyone_simfind._batches import Batches
from fiftyone_simfind._fields import BoxedImage
from fiftyone_simfind._query import Query
from fiftyone_simfind._rules import Found
from fiftyone_simfind._types import Embedder, EmbedReport
from fiftyone_simfind.errors import OptionError, QueryError
from fiftyone_simfind.numerics import fusion
from fiftyone_simfind.numerics import vectors as vx

MAX_CACHED = 20_000  # vectors; of 1,280 numbers they take 100 MB

_cache: OrderedDict[tuple, NDArray[np.float32]] = OrderedDict()
_lock = threading.Lock()


def rerank(
    samples: Any, target: Query, asked: Found, found: Found, places: dict, *, model: Any, reverse: bool
) -> tuple[Found, Found]:
    """The query's objects with new scores, and what was found with new scores in its new order.

    An object's new score is how similar it is to the query as two networks see it, the index's and that of the crops:
    see :func:`fiftyone_simfind.numerics.fusion.fuse`. An object whose image cannot be read counts as average to the
    second network. Vectors of crops are kept in memory until the image file or the box changes.

    Args:
        samples: where the objects are
        target: the query
        asked: its objects, with their scores in the index
        found: those to put into a new order
        places: filepath and bounding box of all of them, by label id
        model: what :func:`fiftyone_simfind.models.load_embedder` takes
        reverse: least similar first

    Raises:
        OptionError: the query or the negatives are vectors
        QueryError: the crop of a query's object cannot be embedded, such as that of a deleted one, or the crops cancel
            out
        ModelError: the model cannot be loaded
    """
    like, unlike = asked.label_ids, target.unlike.label_ids
    if len(like) < len(target.objects.vectors) or len(unlike) < len(target.unlike.vectors):
        raise OptionError(
            f"rerank={model!r} looks at crops, and a vector has none; search by label ids, or leave rerank out"
        )
    _require_there([*like, *unlike], places, model)
    from fiftyone_simfind.models import load_embedder

    needed = list(dict.fromkeys([*like, *unlike, *found.label_ids]))
    vectors = _crop_vectors(samples, needed, places, load_embedder(model))
    query = _combine(vectors, like, unlike)
    crops = [_stack(vectors, some.label_ids, len(query)) for some in (asked, found)]
    plain, emphasis = _emphasis(target)
    looks = fusion.Look(plain, found.vectors, emphasis), fusion.Look(query, crops[1])
    scores = [
        fusion.fuse(looks, (some.vectors, second)).astype(np.float32)
        for some, second in zip((asked, found), crops, strict=True)
    ]
    order = np.argsort(scores[1] if reverse else -scores[1], kind="stable")
    return asked._replace(scores=scores[0]), found._replace(scores=scores[1]).take(order.tolist())


def _require_there(label_ids: list[str], places: dict, model: Any) -> None:
    """Raise for an object of the query that was deleted since the index was made: the index alone still knows it."""
    gone = [label_id for label_id in label_ids if label_id not in places]
    if gone:
        raise QueryError(
            f'object "{gone[0]}" was deleted since the index was made, and rerank={model!r} needs its crop; leave '
            "rerank out, or search for another object"
        )


def _emphasis(target: Query) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The query's vector without emphasis, and how much that makes each of its numbers count."""
    plain = vx.combine(target.objects.vectors, target.unlike.vectors)
    return plain, np.divide(target.vector, plain, out=np.ones_like(plain), where=plain != 0)


def _stack(vectors: dict, label_ids: list[str], dim: int) -> NDArray[np.float32]:
    """The vectors of some objects, ``(n, dim)``; NaN for those that have none."""
    nothing = np.full(dim, np.nan, np.float32)
    return np.array([vectors.get(label_id, nothing) for label_id in label_ids], np.float32).reshape(-1, dim)


def _combine(vectors: dict, like: list[str], unlike: list[str]) -> NDArray[np.float32]:
    """One vector of the query's crops, by the same rule as that of its vectors in the index."""
    for label_id in [*like, *unlike]:
        if label_id not in vectors:
            raise QueryError(
                f'the crop of object "{label_id}" cannot be looked at: its image cannot be read, or its '
                "box has no area; leave rerank out"
            )
    query = vx.combine([vectors[i] for i in like], [vectors[i] for i in unlike])
    if np.isnan(query).any():
        raise QueryError("the vectors of the query's crops cancel out to nothing; give fewer negatives, or other ones")
    return query


def _crop_vectors(
    samples: Any, label_ids: list[str], places: dict, embedder: Embedder
) -> dict[str, NDArray[np.float32]]:
    """The vector of each object's crop, from the cache or from its image; without those that have none."""
    name = _fields.dataset_of(samples).name
    keys = {}
    for label_id in label_ids:
        file, box = places[label_id]
        keys[label_id] = (name, label_id, file, _changed(file), *(box or ()), embedder.name)
    with _lock:
        vectors = {label_id: _cache[key] for label_id, key in keys.items() if key in _cache}
    vectors |= _embed([label_id for label_id in label_ids if label_id not in vectors], places, embedder)
    _keep({keys[label_id]: vector for label_id, vector in vectors.items()})
    return vectors


def _changed(file: str) -> int | None:
    try:
        return os.stat(file).st_mtime_ns
    except OSError:
        return None


def _embed(label_ids: list[str], places: dict, embedder: Embedder) -> dict[str, NDArray[np.float32]]:
    """The vectors of objects by label id, each image read once; without those that have none."""
    from fiftyone_simfind.models import images

    by_file: dict[str, list[str]] = {}
    for label_id in label_ids:
        by_file.setdefault(places[label_id][0], []).append(label_id)
    items = [BoxedImage("", file, ids, _boxes(ids, places)) for file, ids in by_file.items()]
    vectors: dict[str, NDArray[np.float32]] = {}

    def look(items: list, pictures: list) -> list:
        return embedder.embed(pictures, [item.boxes for item in items])

    def write(done: list) -> None:
        rows = [pair for item, found in done for pair in zip(item.label_ids, found, strict=True)]
        vectors.update((label_id, row.copy()) for label_id, row in rows if not np.isnan(row).any())

    Batches(images.read, progress=False).run(items, len(items), look, write, EmbedReport(embedder.name))
    return vectors


def _boxes(label_ids: list[str], places: dict) -> NDArray[np.float64]:
    return np.array([places[label_id][1] or [np.nan] * 4 for label_id in label_ids], dtype=np.float64).reshape(-1, 4)


def _keep(vectors: dict[tuple, NDArray[np.float32]]) -> None:
    """Put vectors at the young end of the cache, and let the oldest go."""
    with _lock:
        for key, vector in vectors.items():
            _cache[key] = vector
            _cache.move_to_end(key)
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
