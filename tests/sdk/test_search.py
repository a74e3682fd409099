import json
import math

import fiftyone as fo
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fiftyone_simfind as simfind
from fiftyone_simfind import _fields
from fiftyone_simfind.errors import BrainRunError, CollectionError, FieldError, OptionError, QueryError
from fiftyone_simfind.testing import TOYS, FakeDetector


@pytest.fixture
def ids(toys):
    """The label ids, in the order of TOYS."""
    simfind.build_index(toys, "objects")
    return toys.values("objects.detections.id", unwind=True)


def cosine(row, other):
    return math.cos(math.radians(TOYS[row][2] - TOYS[other][2]))


def test_each_object_sits_beside_its_own_score(toys, ids):
    results = simfind.search(toys, ids[0], k=100)
    assert len(results) == len(TOYS) - 1
    for match in results:
        assert match.score == pytest.approx(cosine(0, ids.index(match.label_id)), abs=1e-6)


def test_nearest_come_first(toys, ids):
    assert simfind.search(toys, ids[0]).ids == ids[1:]


def test_every_match_tells_where_it_is(toys, ids):
    match = simfind.search(toys, ids[0], k=1)[0]
    sample = toys[match.sample_id]
    detection = sample.objects.detections[1]
    assert (match.label_id, match.label, match.filepath) == (detection.id, "vase", sample.filepath)
    assert match.bounding_box == detection.bounding_box


def test_k_bounds_the_matches(toys, ids):
    assert simfind.search(toys, ids[0], k=3).ids == ids[1:4]


def test_a_detection_can_be_the_query(toys, ids):
    assert simfind.search(toys, toys.first().objects.detections[0]).ids == ids[1:]


def test_a_vector_can_be_the_query_at_any_scale(toys, ids):
    assert simfind.search(toys, [1000.0, 0.0]).ids == ids
    assert simfind.search(toys, np.array([1e-6, 0.0])).scores == pytest.approx(
        [cosine(0, i) for i in range(8)], abs=1e-6
    )


def test_several_objects_are_searched_for_together(toys, ids):
    # 0 and 40 degrees point to 20: objects 2 (20), then 1 (10) and 3 (30).
    results = simfind.search(toys, [ids[0], ids[4]])
    assert results[0].label_id == ids[2]
    assert results[0].score == pytest.approx(1, abs=1e-6)
    assert {m.label_id for m in results[1:3]} == {ids[1], ids[3]}


def test_a_matrix_is_several_vectors(toys, ids):
    several = simfind.search(toys, [ids[0], ids[4]], include_query=True)
    matrix = simfind.search(
        toys,
        np.stack(
            [
                toys.first().objects.detections[0].embedding,
                [math.cos(math.radians(40)), math.sin(math.radians(40))],
            ]
        ),
    )
    assert matrix.ids == several.ids


def test_negatives_push_away(toys, ids):
    # Like 20 degrees, unlike 0: the query turns to the far side, so that 30 beats 10.
    results = simfind.search(toys, ids[2], negatives=[ids[0]], k=2)
    assert results.ids == [ids[4], ids[3]] or results.ids == [ids[3], ids[4]]


def test_same_class_and_other_classes_part_the_objects(toys, ids):
    same = simfind.search(toys, ids[0], scope="same_class")
    other = simfind.search(toys, ids[0], scope="other_classes")
    assert {match.label for match in same} == {"mug"}
    assert {match.label for match in other} == {"vase", None}
    assert sorted(same.ids + other.ids) == sorted(ids[1:])


def test_classes_restrict_the_matches(toys, ids):
    assert simfind.search(toys, ids[0], classes=["vase"]).ids == [ids[1], ids[4], ids[7]]


def test_a_minimum_score_is_a_cosine(toys, ids):
    assert simfind.search(toys, ids[0], min_score=math.cos(math.radians(35))).ids == ids[1:4]


def test_a_threshold_can_leave_nothing(toys, ids):
    results = simfind.search(toys, ids[7], min_score=0.99)
    assert (len(results), results.ids, len(results.view())) == (0, [], 0)


def test_the_query_can_be_among_the_matches(toys, ids):
    assert simfind.search(toys, ids[0], include_query=True, k=2).ids == ids[:2]


def test_the_query_s_own_image_can_be_left_out(toys, ids):
    assert simfind.search(toys, ids[0], exclude_same_image=True).ids == ids[2:]


def test_one_match_per_image(toys, ids):
    assert simfind.search(toys, ids[0], one_per_image=True).ids == [ids[1], ids[2], ids[4], ids[6]]


def test_reverse_gives_the_least_similar_first(toys, ids):
    assert simfind.search(toys, ids[0], reverse=True).ids == ids[:0:-1]


def test_only_objects_in_the_view_are_found(toys, ids):
    assert simfind.search(toys.skip(2), ids[0]).ids == ids[4:]
    mugs = toys.filter_labels("objects", fo.ViewField("label") == "mug")
    assert simfind.search(mugs, ids[0]).ids == [ids[2], ids[3], ids[6]]
    assert simfind.search(toys.to_patches("objects").limit(3), ids[0]).ids == ids[1:3]


def test_scores_do_not_depend_on_the_view_or_on_history(toys, ids):
    first = dict(zip(simfind.search(toys, ids[3]).ids, simfind.search(toys, ids[3]).scores, strict=True))
    toys.to_patches("objects").sort_by_similarity(ids[3], brain_key="simfind").values("id")  # centres in place
    toys.load_brain_results("simfind").sort_by_similarity(ids[0])
    for view in (toys, toys.skip(1), toys.to_patches("objects")):
        for match in simfind.search(view, ids[3]):
            assert match.score == pytest.approx(first[match.label_id], abs=1e-7)


def test_a_refresh_takes_what_has_changed_in_the_dataset(toys, ids):
    before = simfind.search(toys, ids[0])
    sample = toys.last()
    sample.objects.detections[1].embedding = np.array([1.0, 0.01], np.float32)
    sample.save()
    assert simfind.search(toys, ids[0]).scores == before.scores
    simfind.refresh(toys)
    assert simfind.search(toys, ids[0], k=1).ids == [ids[7]]


def test_what_was_deleted_is_not_found_and_leaves_room_for_others(toys, ids):
    toys.delete_samples([toys.last().id])
    assert simfind.search(toys, ids[0], k=5).ids == ids[1:6]
    sample = toys.first()
    sample.objects.detections.pop()
    sample.save()
    assert simfind.search(toys, ids[0], k=3).ids == ids[2:5]


def test_an_index_of_brains_own_backend_can_be_searched(toys):
    simfind.build_index(toys, "objects", backend="sklearn")
    ids = toys.values("objects.detections.id", unwind=True)
    assert simfind.search(toys, ids[0]).ids == ids[1:]
    assert simfind.search(toys, ids[0], scope="same_class", reverse=True).ids == [ids[6], ids[3], ids[2]]
    assert simfind.search(toys.skip(2), ids[0], one_per_image=True).ids == [ids[4], ids[6]]


def test_the_view_is_in_order(toys, ids):
    results = simfind.search(toys, ids[0])
    assert results.view().values("id") == results.ids


def test_sort_by_similarity_is_the_search_as_a_view(toys, ids):
    view = simfind.sort_by_similarity(toys, ids[3], k=4)
    assert view.values("id") == simfind.search(toys, ids[3], k=4).ids
    again = simfind.sort_by_similarity(toys.to_patches("objects"), ids[3], k=4)
    assert again.values("id") == view.values("id")


def test_scores_are_written_where_asked_and_nowhere_else(toys, ids):
    simfind.sort_by_similarity(toys, ids[0], k=7, score_field="similarity")
    view = simfind.sort_by_similarity(toys, ids[0], k=3, score_field="similarity")
    scores = dict(zip(ids, toys.values("objects.detections.similarity", unwind=True), strict=True))
    assert {i for i, score in scores.items() if score is not None} == set(ids[1:4])
    assert view.values("objects.similarity") == pytest.approx([cosine(0, i) for i in (1, 2, 3)], abs=1e-6)


def test_the_patches_of_a_patches_view_have_their_scores_too(toys, ids):
    patches = toys.match_labels(filter=fo.ViewField("label") != "none").to_patches("objects")
    for k in (3, 2):
        view = simfind.sort_by_similarity(patches, ids[0], k=k, score_field="similarity")
        assert view.values("id") == ids[1 : k + 1]
        assert view.values("objects.similarity") == pytest.approx([cosine(0, i) for i in range(1, k + 1)], abs=1e-6)


@pytest.mark.parametrize("attribute", ["instance", "copy"])
def test_what_fiftyone_itself_looks_for_in_a_detection_is_no_score(toys, ids, attribute):
    with pytest.raises(FieldError, match=f'"{attribute}" of "objects.detections" holds something else than scores'):
        simfind.sort_by_similarity(toys, ids[0], score_field=attribute)
    assert not toys.has_field(f"objects.detections.{attribute}")


@pytest.mark.parametrize("attribute", ["label", "bounding_box", "embedding", "tags", "id", "mine"])
def test_scores_never_replace_anything_else(toys, ids, attribute):
    toys.set_values("objects.detections.mine", [[1.0, 2.0]] * 4, dynamic=True)
    before = toys.values(f"objects.detections.{attribute}")
    with pytest.raises(FieldError, match=f'"{attribute}" of "objects.detections" holds something else than scores'):
        simfind.sort_by_similarity(toys, ids[0], score_field=attribute)
    np.testing.assert_equal(toys.values(f"objects.detections.{attribute}"), before)


@pytest.mark.parametrize("value", ["good", 0.5])
def test_scores_never_replace_what_is_not_declared(toys, ids, value):
    sample = toys.last()
    sample.objects.detections[1]["score"] = value
    sample.save()
    with pytest.raises(FieldError, match='"score" of "objects.detections" holds something else than scores'):
        simfind.sort_by_similarity(toys, ids[0], score_field="score", k=2)
    toys.reload()
    assert toys.last().objects.detections[1]["score"] == value
    assert not toys.has_field("objects.detections.score")


def test_a_patch_can_be_the_query(toys, ids):
    assert simfind.search(toys, toys.to_patches("objects").first()).ids == ids[1:]


def test_a_patches_view_of_another_field_is_refused(toys, ids):
    toys.clone_sample_field("objects", "others")
    with pytest.raises(CollectionError, match='the view shows patches of "others", but the index covers "objects"'):
        simfind.search(toys.to_patches("others"), ids[0])


@pytest.mark.parametrize(
    "verb",
    [
        lambda view, query: simfind.search(view, query),
        lambda view, query: simfind.sort_by_similarity(view, query, score_field="similarity"),
        lambda view, query: simfind.embed(view, "objects", model=FakeDetector()),
        lambda view, query: simfind.detect(view, label_field="found", model=FakeDetector()),
        lambda view, query: simfind.whole_images(view),
        lambda view, query: simfind.build_index(view, "objects"),
    ],
    ids=["search", "sort_by_similarity", "embed", "detect", "whole_images", "build_index"],
)
def test_patches_of_an_evaluation_are_refused_with_a_way_out(toys, ids, verb):
    toys.clone_sample_field("objects", "others")
    toys.evaluate_detections("others", gt_field="objects", eval_key="eval", progress=False)
    view = toys.to_evaluation_patches("eval")
    with pytest.raises(CollectionError, match=r'EvaluationPatchesView .* give those of one, dataset.to_patches\("fiel'):
        verb(view, ids[0])
    assert not toys.has_field("objects.detections.similarity")


def test_results_as_json_hold_the_query_and_the_matches(toys, ids, tmp_path):
    results = simfind.search(toys, ids[0], k=2)
    results.to_json(tmp_path / "r.json")
    content = json.loads((tmp_path / "r.json").read_text())
    assert [m["label_id"] for m in content["query"]] == [ids[0]]
    assert [m["score"] for m in content["matches"]] == results.scores
    assert set(content["matches"][0]) == {
        "label_id",
        "sample_id",
        "filepath",
        "label",
        "bounding_box",
        "score",
    }


def test_results_as_a_table(toys, ids):
    frame = simfind.search(toys, ids[0], k=2).to_dataframe()
    assert frame["label_id"].tolist() == ids[1:3]
    assert list(frame.columns) == ["label_id", "sample_id", "filepath", "label", "bounding_box", "score"]


def test_results_are_a_sequence(toys, ids):
    results = simfind.search(toys, ids[0])
    assert [m.label_id for m in results] == results.ids
    assert results[-1] == results.matches[-1]
    assert [m.label_id for m in results[1:3]] == ids[2:4]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("6b0000000000000000000000", "is the id of no object in .objects. of dataset"),
        ("not an id", "is the id of no object"),
        ([], "gives nothing to search for"),
        (None, "query is None, which gives nothing to search for"),
        (fo.Sample(filepath="a.jpg"), "query is a Sample, which gives nothing"),
        ([1.0, 0.0, 0.0], r"has shape \(3,\), but the index holds vectors of length 2"),
        ([0.0, 0.0], "has no direction"),
        ([float("nan"), 1.0], "has no direction"),
        (["x", 1.0], "mixes vectors with other things"),
    ],
)
def test_a_query_that_cannot_be_used_says_why(toys, ids, query, message):
    with pytest.raises(QueryError, match=message):
        simfind.search(toys, query)


def test_an_object_without_a_vector_says_so(toys, ids):
    sample = toys.first()
    sample.objects.detections.append(fo.Detection(label="new", bounding_box=[0, 0, 1, 1]))
    sample.save()
    with pytest.raises(QueryError, match=r'has no vector; run simfind.embed\(samples, "objects"'):
        simfind.search(toys, sample.objects.detections[-1].id)


def test_an_object_that_is_not_in_the_index_yet_says_so(toys, ids):
    sample = toys.first()
    sample.objects.detections.append(fo.Detection(label="new", bounding_box=[0, 0, 1, 1], embedding=[1.0, 1.0]))
    sample.save()
    with pytest.raises(QueryError, match=r"has a vector, but is not in the index; run simfind.refresh\(samples\)"):
        simfind.search(toys, sample.objects.detections[-1].id)


def test_negatives_that_cancel_the_query_say_so(toys, ids):
    with pytest.raises(QueryError, match="cancel out"):
        simfind.search(toys, [[1.0, 0.0], [-1.0, 0.0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(k=0), "k=0 must be a whole number of at least 1"),
        (dict(k=1.5), "k=1.5 must be a whole number"),
        (dict(k=None), "k=None must be a whole number"),
        (dict(scope="near"), 'scope="near" must be one of'),
        (dict(min_score=3), r"min_score=3 must lie in \[-1, 1\]"),
    ],
)
def test_options_out_of_range_are_refused(toys, ids, options, message):
    with pytest.raises(OptionError, match=message):
        simfind.search(toys, ids[0], **options)


def test_a_scope_needs_a_label(toys, ids):
    with pytest.raises(OptionError, match='scope="same_class" needs a query with a label'):
        simfind.search(toys, [1.0, 0.0], scope="same_class")


def test_an_index_that_is_not_there_is_named(toys):
    with pytest.raises(BrainRunError, match='"simfind" is no brain run of dataset ".*"; run simfind.build_index'):
        simfind.search(toys, [1.0, 0.0])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.integers(0, 7),
    k=st.integers(1, 9),
    other=st.booleans(),
    per_image=st.booleans(),
    reverse=st.booleans(),
)
def test_search_equals_the_plain_loop(toys, row, k, other, per_image, reverse):
    if "simfind" not in toys.list_brain_runs():
        simfind.build_index(toys, "objects")
    ids = toys.values("objects.detections.id", unwind=True)
    expected, images = [], set()
    for i in sorted(range(8), key=lambda i: cosine(row, i) if reverse else -cosine(row, i)):
        image = TOYS[i][0]
        if i == row or (other and image == TOYS[row][0]) or (per_image and image in images):
            continue
        images.add(image)
        expected.append(cosine(row, i))
    results = simfind.search(toys, ids[row], k=k, exclude_same_image=other, one_per_image=per_image, reverse=reverse)
    assert results.scores == pytest.approx(expected[:k], abs=1e-6)


@pytest.fixture
def twins(toys):
    """The toys, with a copy of the first sample whose objects have the ids of that one's."""
    copied = toys.limit(1).clone()
    toys.add_collection(copied, new_ids=True)
    copied.delete()
    simfind.build_index(toys, "objects")
    return toys


def test_a_copy_of_the_query_is_the_query(twins):
    query = twins.first().objects.detections[0].id
    assert query not in simfind.search(twins, query, k=100).ids


def test_a_search_ends_where_a_deleted_object_shares_its_id_with_another(twins):
    gone = twins.first().objects.detections[0]
    twins.delete_samples([twins.first().id])
    assert simfind.search(twins, gone.embedding, k=1).ids != [gone.id]


def test_few_rounds_find_what_is_left_of_many(toys, ids, monkeypatch):
    """What is gone is found out some at a time; there may be a hundred thousand of it."""
    rounds, read = [], _fields.places
    monkeypatch.setattr(_fields, "places", lambda *given: rounds.append(given) or read(*given))
    toys.delete_labels(ids=ids[:7], fields="objects")
    assert simfind.search(toys, [1.0, 0.0], k=1).ids == [ids[7]]
    assert len(rounds) == 4  # for 1, 4, 16 and 64 objects
