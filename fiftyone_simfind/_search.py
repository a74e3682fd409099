"""Rank objects by similarity to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fiftyone_simfind import _fields, _gallery, _query, _rerank
from fiftyone_simfind._explain import Compared
from fiftyone_simfind._query import Query
from fiftyone_simfind._results import SearchResults
from fiftyone_simfind._rules import Found, Rules, commonest
from fiftyone_simfind._types import Match
from fiftyone_simfind.errors import OptionError
from fiftyone_simfind.numerics import vectors as vx

Places = dict[str, tuple[str, list[float]]]  # filepath and bounding box, by label id

SCOPES = ("all", "same_class", "other_classes")
VOTERS = 5  # nearest whole images, which tell the class of one that has none


def search(
    samples: Any,
    query: Any,
    *,
    k: int = 25,
    brain_key: str = "simfind",
    scope: str = "all",
    classes: Sequence[str] | None = None,
    negatives: Any = None,
    emphasis: str | Mapping[str, float] | None = None,
    query_domain: Any = None,
    min_score: float | None = None,
    include_query: bool = False,
    exclude_same_image: bool = False,
    one_per_image: bool = False,
    reverse: bool = False,
    rerank: Any = None,
    rerank_depth: int = 200,
) -> SearchResults:
    """The objects that look most like the query, nearest first, each with its score.

    The score is always the cosine similarity of the object's vector to the query's, in [-1, 1]: it does not depend on
    what else is in the index or in the view, unless ``rerank`` is given. Several examples make one query by Rocchio's
    rule: the mean of the positives minus half the mean of the negatives.

    Args:
        samples: dataset or view; only objects in it are found, but the query may lie outside
        query: a label id, a ``Detection``, a patch, a :class:`Candidate` of an image from outside
            (:func:`detect_query`), a ``(d,)`` vector; or a list of the former, or a ``(m, d)`` matrix
        k: at most this many matches
        brain_key: name of the index
        scope: ``"all"``, ``"same_class"`` or ``"other_classes"``, as the query's labels; in an index of whole images
            (:func:`whole_images`) a query without a label is taken for what most of its five nearest images are
        classes: find only objects with these labels
        negatives: like ``query``, for objects that matches should not be like
        emphasis: how many times as much each part of a YOLO model's vectors counts, as ``{"look": 2.0, "kind": 0.5}``;
            or the name of one that counts 20 times as much: ``"look"``, ``"shape"`` or ``"kind"``. Parts that count 0
            times are left out: ``{"kind": 0, "shape": 0}`` compares the look alone
        query_domain: ``(m, d)`` vectors of other things from where the query, a vector, comes from, such as the whole
            catalogue: what sets that place as a whole apart from the index is then left out of the comparison
        min_score: leave out matches that score less
        include_query: let the query's own objects be among the matches
        exclude_same_image: leave out objects in the query's own images
        one_per_image: give only the best match of each image
        reverse: least similar first
        rerank: a second network, as ``model`` of :func:`fiftyone_simfind.embed`, that looks at the crops of the best
            matches and orders them anew; all other options, ``min_score`` and ``one_per_image`` too, apply to the
            index's ranking before it. A match's score is then a weighted mean of both networks' cosine similarities
            and of how many nearest neighbours it shares with the query; see docs/crops.md
        rerank_depth: how many matches the second network looks at; never fewer than ``k``

    Returns:
        a sequence of :class:`Match`

    Raises:
        BrainRunError: there is no such index
        CollectionError: the view shows patches of another field, or of an evaluation
        ModelError: the model for ``rerank`` cannot be loaded
        QueryError: the query cannot be used
        OptionError: an option is out of range, or needs a query with a label, or a query of objects
    """
    _check(k, scope, min_score, rerank_depth)
    gallery = _gallery.rank_by(samples, brain_key)
    _fields.patches_field_of(samples)  # refuses patches of which the matches cannot be shown
    target = _query.resolve(gallery, query, negatives, emphasis=emphasis, domain=query_domain)
    within = None if _fields.is_whole(samples) else samples
    if scope != "all" and not target.labels and _fields.has_whole_images(samples, gallery.patches_field):
        target = replace(target, labels=_voted(gallery, target, within))
    rules = Rules(
        within=within,
        **_class_rules(target, scope, classes),
        not_ids=frozenset() if include_query else frozenset(target.objects.label_ids),
        not_samples=frozenset(target.objects.sample_ids) if exclude_same_image else frozenset(),
        min_score=min_score,
        one_per_image=one_per_image,
        reverse=reverse,
    )
    found, places = _rank(samples, gallery, target, k if rerank is None else max(k, rerank_depth), rules)
    scores = vx.similarity(target.objects.vectors, target.vector)
    asked = target.objects._replace(scores=scores[: len(target.objects.label_ids)])
    if rerank is not None:
        asked, found = _rerank.rerank(samples, target, asked, found, places, model=rerank, reverse=reverse)
    found = found.take(range(min(k, len(found.label_ids))))
    path = f"{_fields.objects_path(samples, gallery.patches_field)}.{gallery.embeddings_field}"
    return SearchResults(
        samples,
        gallery.patches_field,
        query=_matches(asked, places),
        matches=_matches(found, places),
        candidates=list(target.candidates),
        compared=Compared(target.vector, found.vectors, gallery.parts, gallery.whitening, path),
    )


def sort_by_similarity(samples: Any, query: Any, *, score_field: str | None = None, **search_options: Any) -> Any:
    """The patches that look most like the query, nearest first, as a view for the App.

    Args:
        samples: dataset or view
        query: as in :func:`search`
        score_field: new attribute of the detections for their scores; those of an earlier search are removed from it
        **search_options: options of :func:`search`

    Returns:
        a ``PatchesView``

    Raises:
        FieldError: ``score_field`` names an attribute that holds something else
    """
    results = search(samples, query, **search_options)
    if score_field is None:
        return results.view()
    field, sample_ids = results.patches_field, [match.sample_id for match in results]
    path = f"{_fields.objects_path(samples, field)}.{score_field}"
    _fields.write_scores(samples, path, dict(zip(results.ids, results.scores, strict=True)))
    return _fields.patches_in_order(samples, field, results.ids, sample_ids, anew=True)


def _check(k: int, scope: str, min_score: float | None, rerank_depth: int) -> None:
    for name, value in (("k", k), ("rerank_depth", rerank_depth)):
        if not isinstance(value, int) or value < 1:
            raise OptionError(f"{name}={value!r} must be a whole number of at least 1")
    if scope not in SCOPES:
        raise OptionError(f'scope="{scope}" must be one of {SCOPES}')
    if min_score is not None and not -1 <= min_score <= 1:
        raise OptionError(f"min_score={min_score} must lie in [-1, 1], like every cosine similarity")


def _voted(gallery: Any, target: Query, within: Any) -> frozenset[str]:
    """The class of most of the objects that are most like a query; none if they have none."""
    nearest = gallery.rank(target.vector, VOTERS, Rules(within=within, not_ids=frozenset(target.objects.label_ids)))
    label = commonest(nearest.labels)
    return frozenset() if label is None else frozenset([label])


def _class_rules(target: Query, scope: str, classes: Sequence[str] | None) -> dict[str, Any]:
    wanted = None if classes is None else frozenset([classes] if isinstance(classes, str) else classes)
    if scope == "all":
        return {"labels": wanted}
    own = target.labels
    if not own:
        raise OptionError(f'scope="{scope}" needs a query with a label; search by label id, or name the classes')
    if scope == "other_classes":
        return {"labels": wanted, "not_labels": own}
    return {"labels": own if wanted is None else own & wanted}


def _rank(samples: Any, gallery: Any, target: Query, k: int, rules: Rules) -> tuple[Found, Places]:
    """What is found, and where that and the query's objects are; without what was deleted since the index was made."""
    path = _fields.objects_path(samples, gallery.patches_field)
    asked = k
    while True:
        found = gallery.rank(target.vector, asked, rules)
        places = _fields.places(
            samples, path, [*target.objects.sample_ids, *target.unlike.sample_ids, *found.sample_ids]
        )
        gone = {label_id for label_id in found.label_ids if label_id not in places}
        if gone.isdisjoint(found.label_ids[:k]):
            return found.take(range(min(k, len(found.label_ids)))), places
        rules = replace(rules, not_ids=rules.not_ids | gone)
        asked *= 4  # where much is gone, what is left is far


def _matches(found: Found, places: Places) -> list[Match]:
    columns = zip(found.label_ids, found.sample_ids, found.labels, found.scores.tolist(), strict=True)
    return [
        Match(label_id, sample_id, places[label_id][0], label, places[label_id][1], score)
        for label_id, sample_id, label, score in columns
        if label_id in places
    ]
