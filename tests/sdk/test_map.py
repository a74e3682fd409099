import fiftyone.brain as fob
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, OptionError, QueryError

ANGLES = np.deg2rad([0, 10, 20, 30, 40, 60, 90, 180])  # of the toys' vectors


@pytest.fixture
def drawn(toys):
    simfind.build_index(toys, "objects")
    simfind.visualize(toys, method="pca")
    return toys


def ids(dataset):
    return dataset.values("objects.detections.id", unwind=True)


def test_each_object_stands_where_the_visualization_puts_it(drawn):
    shown = simfind.map_points(drawn)
    results = drawn.load_brain_results("simfind_pca")
    places = dict(zip(results.label_ids, results.points.tolist(), strict=True))
    np.testing.assert_allclose(shown.points, [places[i] for i in shown.label_ids], rtol=1e-6)
    assert sorted(shown.label_ids) == sorted(ids(drawn))


def test_each_object_has_its_own_class_and_sample(drawn):
    shown = simfind.map_points(drawn)
    labels = dict(zip(ids(drawn), drawn.values("objects.detections.label", unwind=True), strict=True))
    assert shown.labels.tolist() == shown.groups.tolist() == [labels[i] for i in shown.label_ids]
    owners = {d.id: sample.id for sample in drawn for d in sample.objects.detections}
    assert shown.sample_ids.tolist() == [owners[i] for i in shown.label_ids]


def test_scores_are_those_of_a_search(drawn):
    query = ids(drawn)[2]
    shown = simfind.map_points(drawn, color_by="score", query=query)
    results = simfind.search(drawn, query, k=100, include_query=True)
    assert dict(zip(shown.label_ids.tolist(), shown.scores.tolist(), strict=True)) == dict(
        zip(results.ids, results.scores, strict=True)
    )


def test_scores_are_cosines_of_the_angle_between(drawn):
    shown = simfind.map_points(drawn, color_by="score", query=ids(drawn)[2])
    angle = dict(zip(ids(drawn), ANGLES, strict=True))
    wanted = [np.cos(angle[i] - ANGLES[2]) for i in shown.label_ids]
    np.testing.assert_allclose(shown.scores, wanted, atol=1e-6)


def test_the_querys_objects_are_marked(drawn):
    asked = ids(drawn)[1:3]
    shown = simfind.map_points(drawn, query=asked)
    assert sorted(shown.label_ids[shown.is_query]) == sorted(asked)
    assert shown.scores is None


def test_a_view_shows_its_own_objects(drawn):
    assert set(simfind.map_points(drawn.limit(2)).label_ids) == set(ids(drawn)[:4])


def test_a_sample_of_many_has_the_query_in_it(drawn):
    for query in ids(drawn):
        shown = simfind.map_points(drawn, query=query, max_points=2)
        assert query in shown.label_ids
        assert (len(shown) in (2, 3), shown.total) == (True, 8)


def test_the_same_seed_shows_the_same_sample(drawn):
    first, second = (simfind.map_points(drawn, max_points=3, seed=7).label_ids.tolist() for _ in range(2))
    others = {tuple(simfind.map_points(drawn, max_points=3, seed=seed).label_ids.tolist()) for seed in range(9)}
    assert first == second
    assert len(others) > 1


def test_a_removed_object_is_not_shown_and_a_new_one_is_told(drawn):
    sample = drawn.first()
    gone = sample.objects.detections.pop().id
    sample.objects.detections.append(sample.objects.detections[0].copy())
    sample.save()
    simfind.refresh(drawn)
    shown = simfind.map_points(drawn)
    assert gone not in shown.label_ids
    assert (len(shown), shown.missing) == (7, 1)


def test_its_view_has_the_objects_in_the_order_of_the_dataset(drawn):
    shown = simfind.map_points(drawn)
    rows = [6, 0, 3]
    wanted = [i for i in ids(drawn) if i in shown.label_ids[rows]]
    assert shown.view(rows).values("id") == wanted


def test_clusters_are_groups_in_the_plane_named_after_their_commonest_class(drawn):
    spots = {"mug": (0, 0), "vase": (9, 9), None: (-9, 9)}
    sample = drawn.first()
    for number in range(40):
        copy = sample.objects.detections[number % 2].copy()
        copy.embedding = np.array([np.cos(number), np.sin(number)], np.float32)
        sample.objects.detections.append(copy)
    sample.save()
    simfind.refresh(drawn)
    labels = dict(zip(ids(drawn), drawn.values("objects.detections.label", unwind=True), strict=True))
    rng = np.random.default_rng(0)
    points = {i: np.add(spots[label], rng.normal(scale=0.1, size=2)) for i, label in labels.items()}
    fob.compute_visualization(drawn, patches_field="objects", points=points, brain_key="spots")
    shown = simfind.map_points(drawn, viz_key="spots", color_by="cluster")
    named = {str(group) for group, label in zip(shown.groups, shown.labels, strict=True) if label == "mug"}
    assert named == {"1 · mug"}
    assert {str(g) for g, label in zip(shown.groups, shown.labels, strict=True) if label == "vase"} == {"2 · vase"}


def test_the_visualization_of_the_index_is_the_default_and_umap_comes_first(drawn):
    assert simfind.map_points(drawn).viz_key == "simfind_pca"
    simfind.visualize(drawn, viz_key="zz")
    assert simfind.map_points(drawn).viz_key == "zz"
    simfind.build_index(drawn, "objects", brain_key="second")
    simfind.visualize(drawn, brain_key="second", method="pca")
    assert simfind.map_points(drawn, brain_key="second").viz_key == "second_pca"


def test_a_visualization_made_anew_is_read_anew(drawn):
    before = simfind.map_points(drawn).points
    simfind.visualize(drawn.limit(3), viz_key="simfind_pca", method="pca", overwrite=True)
    assert (len(before), len(simfind.map_points(drawn))) == (8, 6)


def test_an_index_without_a_visualization_says_how_to_make_one(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(
        BrainRunError, match=r'has no visualization; run simfind.visualize\(samples, brain_key="simfind"'
    ):
        simfind.map_points(toys)


def test_a_name_that_is_no_visualization_is_refused(drawn):
    with pytest.raises(BrainRunError, match='"simfind" is no visualization of the objects in "objects"'):
        simfind.map_points(drawn, viz_key="simfind")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color_by": "size"}, 'color_by="size" must be one of'),
        ({"color_by": "score"}, 'color_by="score" needs a query'),
        ({"max_points": 0}, "max_points=0 must be a whole number of at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(drawn, options, message):
    with pytest.raises(OptionError, match=message):
        simfind.map_points(drawn, **options)


def test_an_unknown_query_is_refused(drawn):
    with pytest.raises(QueryError, match="is the id of no object"):
        simfind.map_points(drawn, query="6b01baad4eda4ca4870715be")


def test_an_empty_index_says_how_it_gets_objects(drawn):
    drawn.clear_sample_field("objects")
    simfind.refresh(drawn)
    with pytest.raises(BrainRunError, match=r'the index "simfind" of "objects" is empty: .* then simfind.refresh'):
        simfind.map_points(drawn)
