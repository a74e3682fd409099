"""Whether matches lie where the query lies: on a dataset whose vectors are known."""

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError
from fiftyone_simfind.numerics import location as loc

PER_IMAGE, IMAGES = 4, 60


def made(vectors_of):
    """A dataset of boxes at random whose vectors a function gives, with an index that takes them as they are."""
    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    samples = []
    for number in range(IMAGES):
        sides = rng.uniform(0.05, 0.5, (PER_IMAGE, 2))
        boxes = np.hstack([rng.uniform(0, 1 - sides), sides])
        objects = [
            fo.Detection(label="mug" if row % 2 else "vase", bounding_box=box.tolist(), embedding=vector)
            for row, (box, vector) in enumerate(zip(boxes, vectors_of(boxes, rng), strict=True))
        ]
        samples.append(fo.Sample(filepath=f"/nowhere/{number}.jpg", objects=fo.Detections(detections=objects)))
    dataset.add_samples(samples, progress=False)
    dataset.add_sample_field("objects.detections.embedding", fo.VectorField)
    simfind.build_index(dataset, "objects", whiten=False)
    return dataset


@pytest.fixture(scope="module")
def blind():
    """Vectors that know nothing of places."""
    dataset = made(lambda boxes, rng: rng.standard_normal((len(boxes), 16)))
    yield dataset
    dataset.delete()


@pytest.fixture(scope="module")
def placed():
    """Vectors that are the place."""
    dataset = made(lambda boxes, rng: np.hstack([loc.centres(boxes) - 0.5, np.full((len(boxes), 1), 2.0)]))
    yield dataset
    dataset.delete()


def test_vectors_that_know_nothing_of_places_have_ratios_of_one(blind):
    report = simfind.location_influence(blind)
    assert (report.queries, report.images, report.left_out) == (IMAGES * PER_IMAGE, IMAGES, 0)
    for found in (report.place, report.size):
        assert found.ratio == pytest.approx(1, abs=0.06)
        assert found.low < 1 < found.high
        assert found.ratio == pytest.approx(found.observed / found.chance)


def test_vectors_that_are_the_place_lie_far_below_one(placed):
    report = simfind.location_influence(placed)
    assert report.place.ratio < report.place.high < 0.4
    assert report.size.ratio > 0.85


def test_the_matches_are_those_of_a_search(placed):
    report = simfind.location_influence(placed, k=3)
    boxes = {d.id: d.bounding_box for sample in placed for d in sample.objects.detections}
    for row in range(0, report.queries, 31):
        query = report.label_ids[row]
        found = simfind.search(placed, query, k=3, scope="same_class", exclude_same_image=True)
        here, there = loc.centres([boxes[query]]), loc.centres([boxes[label_id] for label_id in found.ids])
        np.testing.assert_allclose(report.pairs.place[row], np.linalg.norm(there - here, axis=1), atol=1e-9)


def test_only_objects_in_a_view_are_looked_at(blind):
    report = simfind.location_influence(blind.limit(20), k=2)
    assert report.queries == 20 * PER_IMAGE
    mugs = blind.filter_labels("objects", fo.ViewField("label") == "mug")
    assert set(simfind.location_influence(mugs).to_dataframe().label) == {"mug"}


def test_some_of_the_queries_can_be_asked(blind):
    report = simfind.location_influence(blind, queries=30)
    assert report.queries == 30
    assert report.label_ids.tolist() == simfind.location_influence(blind, queries=30).label_ids.tolist()
    assert report.label_ids.tolist() != simfind.location_influence(blind, queries=30, seed=52).label_ids.tolist()
    assert simfind.location_influence(blind, queries=10_000).queries == IMAGES * PER_IMAGE


def test_objects_with_too_few_to_choose_from_are_left_out_and_counted(blind):
    few = blind.clone()
    for sample in few[:6].iter_samples(autosave=True):
        sample.objects.detections[0].label = "rare"
        sample.objects.detections[1].label = None
    simfind.build_index(few, "objects", whiten=False, overwrite=True)
    report = simfind.location_influence(few, k=3)
    assert report.left_out == 6
    assert report.queries == IMAGES * PER_IMAGE - 12
    assert "; 6 with too few of these left out" in str(report)
    few.delete()


def test_an_object_that_is_gone_since_is_left_out(blind):
    less = blind.clone()
    simfind.build_index(less, "objects", whiten=False, overwrite=True)
    sample = less.first()
    sample.objects.detections = sample.objects.detections[1:]
    sample.objects.detections[0].bounding_box = [2.0, 2.0, 0.1, 0.1]
    sample.save()
    assert simfind.location_influence(less).queries == IMAGES * PER_IMAGE - 2
    less.delete()


def test_the_report_is_a_table_a_dict_and_a_picture(blind, artifacts):
    report = simfind.location_influence(blind)
    lines = str(report).splitlines()
    assert lines[0].split("  ")[0] == "distance in"
    assert [line.split()[0] for line in lines[1:3]] == ["place", "size"]
    assert lines[3].startswith('240 objects of 60 images, among those of the same "label" in others')
    content = report.to_dict()
    assert (content["queries"], content["k"]) == (240, 5)
    assert content["place"]["low"] < content["place"]["ratio"] < content["place"]["high"]
    table = report.to_dataframe()
    assert table.place.sum() / table.place_chance.sum() == pytest.approx(report.place.ratio)
    figure = report.plot(artifacts / "location.png")
    assert [axis.get_title(loc="left").split(":")[0] for axis in figure.axes] == ["place", "size"]
    for axis in figure.axes:
        for line in axis.lines:
            assert line.get_ydata()[-1] == pytest.approx(1)


@pytest.mark.parametrize("k", [0, 2.5, "5"])
def test_a_k_that_is_no_number_of_objects_is_refused(blind, k):
    with pytest.raises(OptionError, match=f"k={k!r} must be a whole number of at least 1"):
        simfind.location_influence(blind, k=k)


def test_more_neighbours_than_there_is_a_choice_of_are_refused(blind):
    with pytest.raises(FieldError, match='has 240 of its own "label" in other images, of which 120 could be nearest'):
        simfind.location_influence(blind, k=120)


def test_objects_of_one_image_have_nothing_to_find(blind):
    with pytest.raises(FieldError, match='"label" in other images'):
        simfind.location_influence(blind.limit(1), k=1)


def test_an_attribute_that_no_object_has_is_refused(blind):
    with pytest.raises(FieldError, match='has an attribute "colour"'):
        simfind.location_influence(blind, label_attr="colour")


def test_no_queries_are_refused(blind):
    with pytest.raises(OptionError, match="queries=0 must be a whole number of at least 1"):
        simfind.location_influence(blind, queries=0)


def test_an_index_that_is_not_there_is_refused(blind):
    with pytest.raises(BrainRunError, match='"none" is no brain run'):
        simfind.location_influence(blind, brain_key="none")


def test_an_index_in_a_vector_database_is_refused(blind, tmp_path):
    pytest.importorskip("lancedb")
    far = blind.clone()
    simfind.build_index(far, "objects", brain_key="far", backend="lancedb", uri=str(tmp_path / "vectors.lance"))
    with pytest.raises(BrainRunError, match="keeps its vectors outside the dataset"):
        simfind.location_influence(far, brain_key="far")
    far.delete()
