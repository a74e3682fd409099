"""The slice of the feature maps that belongs to an object: what was compared, as data and as a picture."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.errors import FieldError, ModelError, OptionError, QueryError
from fiftyone_simfind.numerics import components
from fiftyone_simfind.showroom import dataset as rooms
from fiftyone_simfind.testing import FakeDetector


@pytest.fixture(scope="module")
def scenes():
    dataset = rooms.load(16)
    simfind.detect(dataset, model=showroom.WEIGHTS)
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


@pytest.fixture(scope="module")
def results(scenes):
    """Of a mug: its boxes hold some background."""
    mugs = scenes.filter_labels("objects", fo.ViewField("label") == "mug")
    return simfind.search(scenes, mugs.first().objects.detections[0], k=5)


def test_the_target_comes_first_and_its_matches_in_order(results):
    found = results.features(max_matches=3)
    assert [piece.match for piece in found] == [results.query[0], *results[:3]]
    for piece in found:
        assert piece.vectors.shape[:2] == piece.weights.shape == (7, 7)
        assert piece.colors.shape == (7, 7, 3)
        assert piece.weights.sum() == pytest.approx(1, abs=1e-5)


def test_the_vectors_are_compared_as_the_heat_map_of_an_explanation_is(results):
    found = results.features(max_matches=2)[2]
    query = results._compared.query
    np.testing.assert_allclose(found.vectors @ query, results.explain(1).heatmap, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=2), 1, atol=1e-5)


def test_a_colour_means_the_same_in_all_slices_of_a_search(results):
    found = results.features(max_matches=4)
    vectors = np.concatenate([piece.vectors.reshape(49, -1) for piece in found])
    expected = components.colors(vectors, np.concatenate([piece.weights.ravel() for piece in found]))
    np.testing.assert_allclose(np.concatenate([piece.colors.reshape(49, 3) for piece in found]), expected)


def test_the_same_object_has_the_same_colours(scenes, results):
    again = simfind.search(scenes, results.query[0].label_id, k=2, include_query=True)
    target, itself, _ = again.features(max_matches=2)
    assert target.match.label_id == itself.match.label_id
    np.testing.assert_array_equal(target.colors, itself.colors)


def test_cells_that_count_less_than_their_even_share_fade(results):
    piece = results.features(max_matches=1)[0]
    alpha, most = piece.rgba[..., 3], piece.rgba[..., 3].max()
    assert (alpha == most).any()
    np.testing.assert_array_equal(alpha == most, piece.weights >= 1 / 49)
    np.testing.assert_allclose(alpha[alpha < most] / most, 49 * piece.weights[alpha < most], rtol=1e-6)
    np.testing.assert_array_equal(piece.rgba[..., :3], piece.colors)


def test_a_picture_shows_the_whole_image_and_a_slice_under_each_object(results, artifacts):
    figure = results.plot_features(artifacts / "features.png", max_matches=4)
    assert len(figure.axes) == 1 + 2 * 5
    scores = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert scores == ["mug", *(f"{match.score:.3f}" for match in results[:4])]
    with Image.open(results.query[0].filepath) as image:
        shape = figure.axes[0].images[0].get_array().shape
        assert shape[1] / shape[0] == pytest.approx(image.width / image.height, rel=0.01)
    with Image.open(artifacts / "features.png") as picture:
        assert picture.width > picture.height > 300


def test_the_slice_lies_over_the_box(results):
    axis = results.plot_features(max_matches=1).axes[0]
    height, width = axis.images[0].get_array().shape[:2]
    left, right, bottom, top = axis.images[1].get_extent()
    x, y, w, h = results.query[0].bounding_box
    np.testing.assert_allclose([left, right], np.array([x, x + w]) * width - 0.5)
    np.testing.assert_allclose([top, bottom], np.array([y, y + h]) * height - 0.5)


def test_several_searches_are_drawn_below_each_other(scenes, results):
    few = simfind.search(scenes, results.ids[0], k=1)
    assert len(simfind.plot_features([results, few], max_matches=3).axes) == 1 + 2 * 4 + 1 + 2 * 2


def test_nothing_to_draw_is_refused():
    with pytest.raises(OptionError, match="was given no searches"):
        simfind.plot_features([])


@pytest.mark.parametrize("count", [0, 1.5])
def test_a_number_of_matches_out_of_range_is_refused(results, count):
    with pytest.raises(OptionError, match=f"max_matches={count} must be a whole number of at least 1"):
        results.features(max_matches=count)


def test_a_vector_has_no_image_to_draw_over(scenes, results):
    vector = scenes.first().objects.detections[0].embedding
    with pytest.raises(QueryError, match="for a vector or an object from outside, which no image of the dataset shows"):
        simfind.search(scenes, vector, k=2).plot_features()


def test_an_object_from_outside_has_no_image_in_the_dataset(scenes, tmp_path):
    ((path, _),) = showroom.write(tmp_path, 1, first=500)
    candidate = simfind.detect_query(str(path), samples=scenes)[0]
    with pytest.raises(QueryError, match="the features of a label id, a detection or a patch can be shown"):
        simfind.search(scenes, candidate, k=2).features()


def test_results_made_by_hand_cannot_be_drawn(scenes, results):
    bare = simfind.SearchResults(scenes, "objects", query=results.query, matches=results.matches)
    with pytest.raises(OptionError, match="do not say what was compared"):
        bare.plot_features()


def test_vectors_of_an_unknown_model_are_refused(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(FieldError, match="were not made by simfind"):
        simfind.search(toys, toys.first().objects.detections[0], k=1).features()


def test_a_model_that_sees_a_crop_as_a_whole_is_refused(photos):
    fake = FakeDetector()
    simfind.detect(photos, model=fake)
    simfind.build_index(photos, "objects")
    found = simfind.search(photos, photos.first().objects.detections[0], k=1)
    with pytest.raises(ModelError, match="gives a vector to a crop as a whole and cannot say where in it"):
        found.plot_features(model=fake)
