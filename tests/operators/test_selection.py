"""What a search from the App looks through."""

from types import SimpleNamespace

import pytest
from fiftyone import ViewField as F

import fiftyone_simfind as simfind
from operators._selection import searched


def objects_of(view):
    """The ids of the objects that a search in a view may find."""
    return set(simfind.search(view, [1.0, 0.0], k=100).ids)


def after(view):
    return searched(SimpleNamespace(view=view))


@pytest.fixture
def matches(indexed):
    """Two matches of a search among images, as the grid shows them."""
    return simfind.search(indexed, indexed.first().objects.detections[0].id, k=2).view()


def test_a_search_after_a_search_among_images_looks_through_all_of_them_again(indexed, matches):
    assert len(matches) == 2
    assert objects_of(after(matches)) == set(indexed.values("objects.detections.id", unwind=True))


def test_filters_that_the_first_search_kept_are_kept_by_the_next(indexed):
    some = indexed.limit(2)
    matches = simfind.search(some, indexed.first().objects.detections[0].id, k=2).view()
    assert objects_of(after(matches)) == set(some.values("objects.detections.id", unwind=True))


def test_what_was_filtered_among_the_matches_is_a_filter_of_the_next_search(indexed, matches):
    mugs = matches.match(F("objects.label") == "mug")
    wanted = indexed.to_patches("objects").match(F("objects.label") == "mug").values("id")
    assert objects_of(after(mugs)) == set(wanted)


def test_patches_that_the_user_made_stay_what_is_searched(indexed):
    ids = indexed.values("objects.detections.id", unwind=True)[:3]
    patches = indexed.select_labels(ids=ids, fields="objects").to_patches("objects")
    assert objects_of(after(patches)) == set(ids)


def test_objects_of_a_lasso_are_no_filter_of_the_next_search(indexed):
    simfind.visualize(indexed, method="pca")
    lasso = simfind.map_points(indexed).view([1, 2])
    assert len(objects_of(after(lasso))) == 8
