"""Why a match was found: the shares of the parts, and where in its box."""

import dataclasses
import json

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _fields, showroom
from fiftyone_simfind.errors import FieldError, ModelError, OptionError
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.numerics import boxes as bx
from fiftyone_simfind.showroom import dataset as rooms
from fiftyone_simfind.testing import FakeDetector

PATH = "objects.detections.embedding"


@pytest.fixture(scope="module")
def scenes():
    dataset = rooms.load(24)
    simfind.detect(dataset, model=showroom.WEIGHTS)
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


def first(scenes, label):
    return scenes.filter_labels("objects", fo.ViewField("label") == label).first().objects.detections[0]


@pytest.fixture(scope="module")
def target(scenes):
    """A mug: its boxes hold some background."""
    return first(scenes, "mug")


@pytest.fixture
def results(scenes, target):
    return simfind.search(scenes, target, k=6)


@pytest.fixture
def facts(scenes):
    """What is recorded about the model, put back after a test has changed it."""
    before = _fields.recorded(scenes, PATH)
    yield dict(before)
    _fields.record(scenes, PATH, before)


def test_the_shares_of_the_parts_sum_to_the_score(results):
    for i, match in enumerate(results):
        explanation = results.explain(i)
        assert explanation.match == match
        assert explanation.score == pytest.approx(match.score, abs=1e-5)
        assert sum(explanation.parts.values()) == pytest.approx(match.score, abs=1e-5)
        assert set(explanation.parts) == {"look", "shape", "kind"}


def test_an_explanation_is_one_line(results):
    explanation = results.explain(0)
    total, _, sum_ = str(explanation).partition(" = ")
    assert total == f"{results[0].score:.2f}"
    assert sum_ == " + ".join(f"{name} {share:.2f}" for name, share in explanation.parts.items())


def test_the_object_scores_higher_than_what_lies_behind_it(scenes):
    """Of these things the middle of the box is always a part, and its corners are not."""
    inside, outside = [], []
    for label in ("mug", "vase", "clock", "table lamp"):
        found = simfind.search(scenes, first(scenes, label), k=4, scope="same_class")
        for i in range(len(found)):
            heatmap = found.explain(i).heatmap
            inside.append(heatmap[2:5, 2:5].mean())
            outside.append(heatmap[[0, 0, -1, -1], [0, -1, 0, -1]].mean())
    assert np.mean(inside) > np.mean(outside) + 0.2
    assert np.mean(np.array(inside) > outside) > 0.9


def test_a_heat_map_follows_the_weights_of_the_cells(results):
    for i in range(3):
        explanation = results.explain(i)
        order = np.argsort(explanation.weights.ravel())
        cells = explanation.heatmap.ravel()
        assert cells[order[-12:]].mean() > cells[order[:12]].mean()
        assert np.abs(cells).max() <= 1
        assert explanation.weights.sum() == pytest.approx(1, abs=1e-5)


def test_what_is_explained_is_the_query_as_it_was_searched(scenes, target, results):
    other = first(scenes, "plant")
    found = simfind.search(scenes, target, k=2, emphasis={"look": 1.0, "shape": 0.0, "kind": 0.0})
    look = found.explain(1)
    assert look.parts["kind"] == look.parts["shape"] == 0
    assert look.parts["look"] == pytest.approx(found[1].score, abs=1e-5)
    less = simfind.search(scenes, target, k=2, negatives=[other])
    assert less.explain(1).score == pytest.approx(less[1].score, abs=1e-5)


def test_a_reranked_match_is_explained_by_the_index(scenes, target, results):
    again = simfind.search(scenes, target, k=3, rerank=FakeDetector(), rerank_depth=6)
    for i, match in enumerate(again):
        of_index = results.scores[results.ids.index(match.label_id)]
        assert again.explain(i).score == pytest.approx(of_index, abs=1e-5)


def test_results_can_be_explained_after_the_index_has_changed(scenes, target):
    results = simfind.search(scenes, target, k=2)
    score = results.explain(1).score
    simfind.build_index(scenes, "objects", whiten=False, overwrite=True)
    try:
        assert results.explain(1).score == pytest.approx(score, abs=1e-6)
        plain = simfind.search(scenes, target, k=2)
        assert plain.explain(1).score == pytest.approx(plain[1].score, abs=1e-5)
    finally:
        simfind.build_index(scenes, "objects", overwrite=True)


def test_the_heat_map_is_stored_on_the_match_s_sample_and_zero_outside_its_box(scenes, results):
    explanation = results.explain(1, heatmap_field="why")
    stored = scenes[results[1].sample_id].why
    assert stored.range == [0, 1]
    height, width = stored.map.shape
    assert max(height, width) <= 512
    x0, y0, x1, y1 = bx.to_absolute(bx.clip(results[1].bounding_box), (width, height))[0].round().astype(int)
    inside = stored.map[y0:y1, x0:x1]
    assert stored.map.sum() == pytest.approx(inside.sum())
    assert inside.max() == pytest.approx(explanation.heatmap.max(), abs=0.05)
    assert stored.map.min() >= 0
    assert scenes.count("why") == len({results[1].sample_id})


def test_matches_in_a_patches_view_are_explained_alike(scenes, target, results):
    patches = simfind.search(scenes.to_patches("objects"), target, k=1)
    np.testing.assert_array_equal(patches.explain(0, heatmap_field="why_patch").heatmap, results.explain(0).heatmap)
    assert scenes[patches[0].sample_id].why_patch.map.any()


def test_an_object_outside_of_its_image_has_no_places(scenes, target):
    results = simfind.search(scenes, target, k=1)
    results.matches = [dataclasses.replace(results[0], bounding_box=[1.2, 0.1, 0.2, 0.2])]
    with pytest.raises(OptionError, match="has no area inside the image"):
        results.explain(0)


def test_heat_maps_of_other_samples_stay(scenes, results):
    first = next(i for i, match in enumerate(results) if match.sample_id != results[0].sample_id)
    for i in (0, first, 0):
        results.explain(i, heatmap_field="why_two")
    assert scenes.count("why_two") == 2


@pytest.mark.parametrize("field", ["filepath", "tags", "objects", "ground_truth", "mine"])
def test_a_heat_map_never_replaces_anything_else(scenes, results, field):
    if field == "mine" and not scenes.has_field("mine"):
        scenes.add_sample_field("mine", fo.EmbeddedDocumentField, embedded_doc_type=fo.Heatmap)
    with pytest.raises(FieldError, match=f'"{field}" of dataset ".*" holds something else than heat maps'):
        results.explain(0, heatmap_field=field)


def test_a_heat_map_needs_a_field_of_the_samples(results):
    with pytest.raises(FieldError, match='heatmap_field="objects.why" lies inside another field'):
        results.explain(0, heatmap_field="objects.why")


@pytest.mark.parametrize("i", [6, -7])
def test_a_match_that_is_not_there_is_refused(results, i):
    with pytest.raises(OptionError, match=f"there is no match {i}; these results have 6"):
        results.explain(i)


def test_results_made_by_hand_say_that_they_cannot_be_explained(scenes, results):
    bare = simfind.SearchResults(scenes, "objects", query=[], matches=results.matches)
    with pytest.raises(OptionError, match="explain those that simfind.search gives"):
        bare.explain(0)


def test_vectors_of_an_unknown_model_are_refused(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(FieldError, match=r"were not made by simfind.*simfind.embed\(samples, \"objects\""):
        simfind.search(toys, [1.0, 0.0], k=1).explain(0)


def test_a_model_that_was_given_as_an_object_has_to_be_given_again(scenes, results, facts):
    expected = results.explain(0)
    _fields.record(scenes, PATH, {**facts, "weights": None})
    with pytest.raises(ModelError, match="which was given as an object.*give it to explain"):
        results.explain(0)
    found = results.explain(0, model=load_embedder(showroom.WEIGHTS))
    np.testing.assert_allclose(found.heatmap, expected.heatmap, atol=1e-4)


def test_another_model_than_that_of_the_vectors_is_refused(results):
    with pytest.raises(ModelError, match=r"were made by showroom.pt .*, not by showroom.pt .* 320px"):
        results.explain(0, model=load_embedder(showroom.WEIGHTS, image_size=320))


def test_weights_that_have_changed_since_are_refused(scenes, results, facts):
    _fields.record(scenes, PATH, {**facts, "model": "showroom.pt 00000000 640px"})
    with pytest.raises(ModelError, match="were made by showroom.pt 00000000 640px, not by showroom.pt"):
        results.explain(0)


def test_a_model_that_sees_a_crop_as_a_whole_is_refused(photos):
    fake = FakeDetector()
    simfind.detect(photos, model=fake)
    simfind.build_index(photos, "objects")
    found = simfind.search(photos, photos.first().objects.detections[0], k=1)
    with pytest.raises(ModelError, match="fake gives a vector to a crop as a whole and cannot say where in it"):
        found.explain(0, model=fake)


def test_vectors_without_parts_give_one_share(photos):
    class Cells(FakeDetector):
        def describe_cells(self, image, box):
            return np.ones((7, 7, 3), np.float32), np.full((7, 7), 1 / 49, np.float32)

    model = Cells()
    simfind.detect(photos, model=model)
    simfind.build_index(photos, "objects")
    found = simfind.search(photos, photos.first().objects.detections[0], k=1)
    explanation = found.explain(0, model=model)
    assert explanation.parts == {"all": pytest.approx(found[0].score, abs=1e-5)}
    assert str(explanation) == f"{found[0].score:.2f} = all {found[0].score:.2f}"


def test_a_picture_shows_where_and_why(results, artifacts):
    figure = results.plot(artifacts / "explained.png", explain=True)
    labels = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert len(labels) == len(results)
    assert all(name in label for label in labels for name in ("look", "shape", "kind"))
    with Image.open(artifacts / "explained.png") as picture:
        assert min(picture.size) > 400


def test_several_searches_are_explained_in_one_picture(scenes, target, artifacts):
    vector = first(scenes, "sofa").embedding
    several = [simfind.search(scenes, target, k=2), simfind.search(scenes, vector, k=3)]
    figure = simfind.plot_matches(several, artifacts / "explained-rows.png", explain=True)
    assert len([axis for axis in figure.axes if axis.get_xlabel()]) == 5


def test_a_search_without_matches_can_be_explained_in_a_picture(scenes, target):
    figure = simfind.search(scenes, target, classes=["none such"]).plot(explain=True)
    assert not [axis for axis in figure.axes if axis.get_xlabel()]


def test_one_explanation_can_be_plotted(results, artifacts):
    results.explain(2).plot(artifacts / "explanation.png")
    with Image.open(artifacts / "explanation.png") as picture:
        assert picture.width > picture.height > 200


def test_results_stay_plain_json(results):
    assert len(json.loads(results.to_json())["matches"]) == len(results)
