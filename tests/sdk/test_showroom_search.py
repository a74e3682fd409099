"""The whole job on the showroom: images in, what looks alike and what is the same thing out."""

import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.showroom import dataset as rooms
from fiftyone_simfind.showroom import quality


@pytest.fixture(scope="module")
def measured():
    dataset = rooms.load(240)  # as many as `make demo` makes
    simfind.detect(dataset, model=showroom.WEIGHTS)
    simfind.build_index(dataset, "objects")
    yield quality.measure(dataset)
    dataset.delete()


def test_nine_in_ten_of_the_five_nearest_have_the_same_category_and_colour(measured):
    assert measured.queries == 500
    assert measured.same_look >= 0.9


def test_the_nearest_is_mostly_the_very_same_thing(measured):
    assert measured.same_identity >= 0.9


def test_things_are_those_that_the_detections_cover():
    dataset = rooms.load(3)
    known = quality.things(dataset, "ground_truth")
    for sample in dataset:
        for d in sample.ground_truth.detections:
            assert known[d.id] == (d.label, d.color, d.identity)
    dataset.delete()


def test_a_dataset_of_scenes_holds_what_is_in_them():
    dataset = rooms.load(2, seed=7)
    scene = showroom.compose(1, seed=7)
    truth = dataset.skip(1).first().ground_truth.detections
    assert [d.label for d in truth] == [o.identity.category for o in scene.objects]
    assert [tuple(d.bounding_box) for d in truth] == [o.bounding_box for o in scene.objects]
    dataset.delete()
