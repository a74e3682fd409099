"""The contract of FiftyOne Brain's similarity backends, as its documentation and interface state it."""

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np
import pytest
from fiftyone import ViewField as F

import fiftyone_simfind  # noqa: F401  (makes the backend known)
from fiftyone_simfind.errors import OptionError, QueryError


def build(dataset, key="own", **options):
    return fob.compute_similarity(
        dataset, patches_field="things", embeddings="embedding", brain_key=key, backend="simfind", **options
    )


@pytest.fixture
def index(crowd):
    return build(crowd)


def stored(dataset):
    ids = dataset.values("things.detections.id", unwind=True)
    return np.array(dataset.values("things.detections.embedding", unwind=True), np.float64), ids


def distances(dataset, query):
    """By label id, one by one, in float64."""
    vectors, ids = stored(dataset)
    unit = [vector / np.sqrt(sum(x * x for x in vector)) for vector in vectors]
    query = np.asarray(query, np.float64) / np.linalg.norm(query)
    return {
        label_id: 1 - float(sum(a * b for a, b in zip(v, query, strict=True)))
        for label_id, v in zip(ids, unit, strict=True)
    }


def in_order(found):
    return [key for key, _ in sorted(found.items(), key=lambda pair: pair[1])]


def test_it_holds_every_object_with_a_vector(index, crowd):
    vectors, ids = stored(crowd)
    assert (index.total_index_size, index.index_size, index.missing_size) == (len(ids), len(ids), None)
    assert index.label_ids.tolist() == ids
    assert not index.is_external


def test_embeddings_come_back_exactly(index, crowd):
    vectors, ids = stored(crowd)
    embeddings, sample_ids, label_ids = index.get_embeddings()
    assert np.array_equal(embeddings, vectors.astype(np.float32))
    assert (label_ids.tolist(), sample_ids.tolist()) == (ids, index.sample_ids.tolist())


def test_embeddings_of_some_objects_come_in_the_order_asked(index, crowd):
    vectors, ids = stored(crowd)
    embeddings, _, label_ids = index.get_embeddings(label_ids=[ids[9], ids[2], ids[50]])
    assert label_ids.tolist() == [ids[9], ids[2], ids[50]]
    assert np.array_equal(embeddings, vectors[[9, 2, 50]].astype(np.float32))


def test_embeddings_of_a_sample_are_those_of_its_objects(index, crowd):
    sample = crowd.skip(1).first()
    _, sample_ids, label_ids = index.get_embeddings(sample_ids=sample.id)
    assert label_ids.tolist() == [d.id for d in sample.things.detections]
    assert set(sample_ids.tolist()) == {sample.id}


def test_missing_ids_are_left_out_or_refused(index, crowd):
    ids = stored(crowd)[1]
    assert len(index.get_embeddings(label_ids=[ids[0], "0" * 24])[0]) == 1
    with pytest.raises(ValueError, match='1 ids are not in the index "own", the first is "000000000000000000000000"'):
        index.get_embeddings(label_ids=[ids[0], "0" * 24], allow_missing=False)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_query_by_id_gives_every_object_in_order(index, crowd, reverse):
    vectors, ids = stored(crowd)
    samples, labels, dists = index._kneighbors(query=ids[5], reverse=reverse, return_dists=True)
    expected = distances(crowd, vectors[5])
    assert labels == (in_order(expected)[::-1] if reverse else in_order(expected))
    assert dists == pytest.approx([expected[i] for i in labels], abs=1e-6)
    owner = dict(zip(index.label_ids.tolist(), index.sample_ids.tolist(), strict=True))
    assert samples == [owner[i] for i in labels]


def test_a_query_by_vector_is_one_by_id(index, crowd):
    vectors, ids = stored(crowd)
    assert index._kneighbors(query=vectors[5], k=9, return_dists=True) == index._kneighbors(
        query=ids[5], k=9, return_dists=True
    )


def test_several_queries_give_several_answers(index, crowd):
    vectors, ids = stored(crowd)
    _, labels = index._kneighbors(query=ids[:3], k=4)
    assert labels == [index._kneighbors(query=i, k=4)[1] for i in ids[:3]]
    assert index._kneighbors(query=vectors[:3], k=4)[1] == labels


@pytest.mark.parametrize(
    ("aggregation", "combine"), [("post-mean", np.mean), ("post-min", np.min), ("post-max", np.max)]
)
def test_distances_to_several_queries_are_combined(index, crowd, aggregation, combine):
    vectors, ids = stored(crowd)
    each = [distances(crowd, vectors[row]) for row in (3, 40, 77)]
    expected = {i: combine([d[i] for d in each]) for i in ids}
    _, labels, dists = index._kneighbors(query=[ids[3], ids[40], ids[77]], aggregation=aggregation, return_dists=True)
    assert dists == pytest.approx([expected[i] for i in labels], abs=1e-6)
    assert dists == sorted(dists)
    assert len(labels) == len(ids)


def test_queries_are_averaged_before_the_search(index, crowd):
    vectors, ids = stored(crowd)
    expected = distances(crowd, vectors[[3, 40]].mean(axis=0))
    for query in ([ids[3], ids[40]], vectors[[3, 40]]):
        _, labels, dists = index._kneighbors(query=query, k=20, aggregation="mean", return_dists=True)
        assert labels == in_order(expected)[:20]
        assert dists == pytest.approx([expected[i] for i in labels], abs=1e-6)


def test_an_aggregation_that_does_not_exist_is_refused(index, crowd):
    with pytest.raises(OptionError, match='aggregation="median" must be one of'):
        index._kneighbors(query=stored(crowd)[1][:2], aggregation="median")


def test_what_is_not_in_the_index_cannot_be_searched_for(index):
    with pytest.raises(QueryError, match='are not in the index "own"'):
        index.sort_by_similarity("0" * 24, k=3)
    with pytest.raises(QueryError, match='query vectors have 3 numbers, those of the index "own" 16'):
        index.sort_by_similarity(np.ones(3), k=3)
    with pytest.raises(QueryError, match="has no direction"):
        index.sort_by_similarity(np.zeros(16), k=3)


def test_a_view_of_images_comes_in_the_order_of_its_best_objects(index, crowd):
    vectors, ids = stored(crowd)
    view = crowd.sort_by_similarity(ids[5], k=10, brain_key="own")
    samples, labels = index._kneighbors(query=ids[5], k=10)
    assert view.values("id") == list(dict.fromkeys(samples))
    assert set(view.values("things.detections.id", unwind=True)) == set(labels)


def test_a_view_of_patches_comes_in_order(index, crowd):
    ids = stored(crowd)[1]
    view = crowd.to_patches("things").sort_by_similarity(ids[5], k=10, brain_key="own")
    assert view.values("id") == index._kneighbors(query=ids[5], k=10)[1]
    assert len(crowd.to_patches("things").sort_by_similarity(ids[5], brain_key="own")) == len(ids)


@pytest.mark.parametrize("kind", ["dataset", "images", "patches"])
def test_distances_can_be_stored_on_every_kind_of_view(index, crowd, kind):
    vectors, ids = stored(crowd)
    base = {"dataset": crowd, "images": crowd.skip(3), "patches": crowd.to_patches("things")}[kind]
    base.sort_by_similarity(ids[30], k=10, brain_key="own", dist_field="far")
    expected = distances(crowd, vectors[30])
    field = "far" if kind == "patches" else "things.detections.far"
    values = base.values(field) if kind == "patches" else base.values(field, unwind=True)
    labels = base.values("id") if kind == "patches" else base.values("things.detections.id", unwind=True)
    there = {i: value for i, value in zip(labels, values, strict=True) if value is not None}
    assert len(there) == 10
    assert there == pytest.approx({i: expected[i] for i in there}, abs=1e-6)


def test_a_view_restricts_what_is_found(index, crowd):
    vectors, ids = stored(crowd)
    expected = distances(crowd, vectors[0])
    view = crowd.filter_labels("things", F("label") == "a")
    shown = view.values("things.detections.id", unwind=True)
    with index.use_view(view):
        assert index.index_size == len(shown)
        assert index.current_label_ids.tolist() == shown
        assert index._kneighbors(query=ids[0])[1] == [i for i in in_order(expected) if i in set(shown)]
        assert [index.label_ids[i] for i in index._current_inds] == shown
    assert index.index_size == len(ids)


@pytest.mark.parametrize("kind", ["all", "of some images", "some of all"])
def test_a_view_of_patches_restricts_what_is_found(index, crowd, kind):
    vectors, ids = stored(crowd)
    patches = (crowd.match(F("filepath").ends_with("1.png")) if kind == "of some images" else crowd).to_patches(
        "things"
    )
    shown = patches.match(F("things.label") == "a") if kind == "some of all" else patches
    expected = [i for i in in_order(distances(crowd, vectors[0])) if i in set(shown.values("id"))]
    with index.use_view(shown):
        assert index._kneighbors(query=ids[0])[1] == expected


def test_what_a_view_shows_and_the_index_lacks_is_counted(index, crowd):
    sample = crowd.last()
    sample.things.detections.append(fo.Detection(label="a", bounding_box=[0, 0, 1, 1]))
    sample.save()
    index.use_view(crowd.match(F("filepath") == sample.filepath))
    assert (index.index_size, index.missing_size) == (7, 1)
    with pytest.raises(ValueError, match='1 of what the view shows are not in the index "own"'):
        index.use_view(crowd.limit(40), allow_missing=False)


def test_a_view_is_looked_at_again_after_the_dataset_changed(index, crowd):
    view = crowd.filter_labels("things", F("label") == "a")
    before = index.use_view(view).index_size
    sample = crowd.skip(1).first()
    for detection in sample.things.detections:
        detection.label = "a"
    sample.save()
    assert index.use_view(view).index_size > before


def test_vectors_can_be_added_and_replaced(index, crowd):
    rng = np.random.default_rng(1)
    sample = crowd.first()
    sample.things.detections.append(fo.Detection(label="new", bounding_box=[0, 0, 1, 1]))
    sample.save()
    new, old = sample.things.detections[0].id, index.label_ids[4]
    vectors = rng.standard_normal((2, 16)).astype(np.float32)
    index.add_to_index(vectors, [sample.id, index.sample_ids[4]], label_ids=[new, old])
    assert index.total_index_size == len(stored(crowd)[1]) == 27 * 0 + index.label_ids.size
    expected = distances(crowd, vectors[0])
    _, labels, dists = index._kneighbors(query=vectors[0], return_dists=True)
    assert labels == in_order(expected)
    assert np.array_equal(index.get_embeddings(label_ids=[old])[0][0], vectors[1])
    assert np.array_equal(crowd.reload() or index.get_embeddings(label_ids=[new])[0][0], vectors[0])


def test_of_repeated_ids_the_last_counts(index):
    vectors = np.eye(16, dtype=np.float32)[:3]
    label, sample = index.label_ids[0], index.sample_ids[0]
    size = index.total_index_size
    index.add_to_index(vectors, [sample] * 3, label_ids=[label] * 3)
    assert index.total_index_size == size
    assert np.array_equal(index.get_embeddings(label_ids=[label])[0], vectors[2:])
    assert index._kneighbors(query=vectors[2], k=1, return_dists=True)[1:] == ([label], [pytest.approx(0, abs=1e-6)])


def test_existing_vectors_can_be_left_alone_or_refused(index):
    label, sample = index.label_ids[0], index.sample_ids[0]
    before = index.get_embeddings(label_ids=[label])[0]
    index.add_to_index(np.ones((1, 16)), [sample], label_ids=[label], overwrite=False)
    assert np.array_equal(index.get_embeddings(label_ids=[label])[0], before)
    with pytest.raises(ValueError, match="1 of the ids are in the index already"):
        index.add_to_index(np.ones((1, 16)), [sample], label_ids=[label], overwrite=False, allow_existing=False)


def test_vectors_of_another_length_are_refused(index):
    with pytest.raises(ValueError, match="embeddings have 3 numbers, but those of the index have 16"):
        index.add_to_index(np.ones((1, 3)), index.sample_ids[:1], label_ids=index.label_ids[:1])
    with pytest.raises(ValueError, match=r"of shape \(2, 16\) do not fit 1 sample ids"):
        index.add_to_index(np.ones((2, 16)), index.sample_ids[:1], label_ids=index.label_ids[:1])


def test_objects_and_samples_can_be_removed(index, crowd):
    ids = stored(crowd)[1]
    index.remove_from_index(label_ids=ids[:5])
    assert index.label_ids.tolist() == ids[5:]
    sample = index.sample_ids[-1]
    index.remove_from_index(sample_ids=[sample])
    assert sample not in index.sample_ids
    assert crowd.count("things.detections.embedding") == index.total_index_size
    with pytest.raises(ValueError, match="ids are not in the index"):
        index.remove_from_index(label_ids=ids[:1], allow_missing=False)


def test_reload_takes_what_the_dataset_has_now(index, crowd):
    view = crowd.limit(10)
    view.set_values(
        "things.detections.embedding", [[np.ones(16)] * len(s or ()) for s in view.values("things.detections.id")]
    )
    crowd.delete_samples(crowd.skip(25).values("id"))
    index.reload()
    vectors, ids = stored(crowd)
    assert index.total_index_size == len(ids)
    _, labels, dists = index._kneighbors(query=np.ones(16), k=len(ids), return_dists=True)
    expected = distances(crowd, np.ones(16))
    assert dists == pytest.approx([expected[i] for i in labels], abs=1e-6)


def test_the_run_is_loaded_in_another_session(index, crowd):
    ids = stored(crowd)[1]
    before = index._kneighbors(query=ids[0], k=8, return_dists=True)
    crowd.clear_cache()
    again = crowd.load_brain_results("own")
    assert again is not index
    assert again._kneighbors(query=ids[0], k=8, return_dists=True) == before


def test_every_query_leaves_the_next_one_alone(index, crowd):
    ids = stored(crowd)[1]
    before = index._kneighbors(query=ids[0], return_dists=True)
    index.find_duplicates(thresh=0.4)
    index._kneighbors(query=ids[:9], k=3, aggregation="post-min")
    index.use_view(crowd.limit(5))._kneighbors(query=ids[0])
    index.clear_view()
    assert index._kneighbors(query=ids[0], return_dists=True) == before
    assert np.array_equal(index.get_embeddings()[0], stored(crowd)[0].astype(np.float32))


def test_duplicates_are_what_lies_closer_than_the_threshold(index, crowd):
    vectors, ids = stored(crowd)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = 1 - unit @ unit.T <= 0.4
    keep = []
    for row in range(len(ids)):
        if not any(near[row, other] for other in keep):
            keep.append(row)
    index.find_duplicates(thresh=0.4)
    assert set(index.unique_ids) == {ids[row] for row in keep}
    assert set(index.duplicate_ids) == set(ids) - set(index.unique_ids)
    nearest = {d: (u, far) for u, found in index.neighbors_map.items() for d, far in found}
    for duplicate, (unique, far) in nearest.items():
        assert far == pytest.approx(1 - float((unit @ unit[ids.index(duplicate)])[ids.index(unique)]), abs=1e-5)
        assert far == pytest.approx(1 - max(unit[keep] @ unit[ids.index(duplicate)]), abs=1e-5)
    view = index.duplicates_view(type_field="twin", dist_field="apart")
    assert set(view.values("id")) == set(nearest) | {u for u, _ in nearest.values()}


def test_a_fraction_of_duplicates_can_be_asked_for(index):
    index.find_duplicates(fraction=0.25)
    assert len(index.unique_ids) == pytest.approx(0.75 * index.total_index_size, abs=1)


def test_unique_objects_are_far_from_each_other(index, crowd):
    index.find_unique(12)
    assert len(index.unique_ids) == 12
    vectors, ids = stored(crowd)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [ids.index(i) for i in index.unique_ids]
    apart = 1 - unit[rows] @ unit[rows].T + 9 * np.eye(12)
    assert apart.min() > index.thresh
    assert len(index.unique_view()) == 12


def test_full_index_queries_leave_each_object_itself_out(index, crowd):
    vectors, ids = stored(crowd)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    far = 1 - unit @ unit.T + 9 * np.eye(len(ids))
    inds, dists = index._kneighbors(k=2, return_dists=True)
    assert [list(i) for i in inds] == np.argsort(far, axis=1)[:, :2].tolist()
    assert [d[0] for d in dists] == pytest.approx(far.min(axis=1).tolist(), abs=1e-5)
    within = index._radius_neighbors(thresh=0.3)
    assert [list(i) for i in within] == [np.flatnonzero(row <= 0.3).tolist() for row in far]


def test_values_come_in_the_order_of_the_index(index, crowd):
    assert index.values("things.detections.label") == crowd.values("things.detections.label", unwind=True)


def test_vectors_given_as_arrays_get_a_field_of_their_own(crowd):
    vectors, ids = stored(crowd)
    arrays = {s.id: np.array([d.embedding for d in s.things.detections]) for s in crowd if s.things.detections}
    index = fob.compute_similarity(
        crowd, patches_field="things", embeddings=arrays, brain_key="arrays", backend="simfind"
    )
    assert index.total_index_size == len(ids)
    crowd.clear_cache()
    again = crowd.load_brain_results("arrays")
    assert np.array_equal(again.get_embeddings()[0], vectors.astype(np.float32))
    again.cleanup()
    assert "things.detections.arrays_embedding" not in crowd.get_field_schema(flat=True)
    crowd.delete_brain_run("arrays")
    assert "embedding" in crowd.get_field_schema(flat=True) or crowd.count("things.detections.embedding") == len(ids)


def test_an_index_can_start_empty(crowd):
    index = (
        fob.compute_similarity(
            crowd, patches_field="things", embeddings=False, brain_key="empty", backend="simfind", model="fake-model"
        )
        if False
        else None
    )
    index = build_empty(crowd)
    assert (index.total_index_size, len(index.get_embeddings()[0])) == (0, 0)
    vectors, ids = stored(crowd)
    owners = [s.id for s in crowd for _ in s.things.detections]
    index.add_to_index(vectors[:50], owners[:50], label_ids=ids[:50])
    index.add_to_index(vectors[40:], owners[40:], label_ids=ids[40:])
    assert index.label_ids.tolist() == ids
    assert index._kneighbors(query=ids[3])[1] == in_order(distances(crowd, vectors[3]))


def build_empty(dataset):
    from fiftyone_simfind.backend.config import SimfindSimilarityConfig

    config = SimfindSimilarityConfig(patches_field="things")
    method = config.build()
    method.register_run(dataset, "empty")
    index = method.initialize(dataset, "empty")
    method.save_run_results(dataset, "empty", index)
    return index


def test_whole_samples_can_be_indexed(crowd):
    vectors = np.random.default_rng(2).standard_normal((len(crowd), 8))
    index = fob.compute_similarity(crowd, embeddings=vectors, brain_key="images", backend="simfind")
    ids = crowd.values("id")
    assert (index.sample_ids.tolist(), index.label_ids) == (ids, None)
    assert np.array_equal(index.get_embeddings()[0], vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    order = np.argsort(-unit @ unit[4])
    assert crowd.sort_by_similarity(ids[4], k=6, brain_key="images").values("id") == [ids[i] for i in order[:6]]
    crowd.sort_by_similarity(ids[4], k=6, brain_key="images", dist_field="far")
    assert crowd[ids[4]].far == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="this index is of whole samples"):
        index.get_embeddings(label_ids=["0" * 24])


def test_an_index_without_a_key_lives_as_long_as_its_object(crowd):
    index = fob.compute_similarity(crowd, patches_field="things", embeddings="embedding", backend="simfind")
    assert index.total_index_size == len(stored(crowd)[1])
    assert crowd.list_brain_runs() == []


def test_another_metric_is_refused(crowd):
    with pytest.raises(OptionError, match='metric="euclidean" must be "cosine"'):
        build(crowd, metric="euclidean")


def test_vectors_without_a_direction_are_never_found_and_reported(crowd, caplog):
    sample = crowd.skip(1).first()
    sample.things.detections[0].embedding = np.zeros(16, np.float32)
    sample.things.detections[1].embedding = np.full(16, np.nan, np.float32)
    sample.things.detections[2].embedding = None
    sample.save()
    index = build(crowd)
    bad = {d.id for d in sample.things.detections[:3]}
    assert index.total_index_size == len(crowd.values("things.detections.id", unwind=True)) - 3
    assert not bad & set(index._kneighbors(query=np.ones(16))[1])
    assert '2 vectors in "things.detections.embedding" are all zeros or not finite' in caplog.text


def test_equal_vectors_come_in_the_order_of_the_index(crowd):
    crowd.set_values(
        "things.detections.embedding", [[np.full(16, 0.3)] * len(s) for s in crowd.values("things.detections.id")]
    )
    index = build(crowd)
    _, labels, dists = index._kneighbors(query=np.ones(16), return_dists=True)
    assert labels == index.label_ids.tolist()
    assert len(set(dists)) == 1
    assert index._kneighbors(query=np.ones(16), k=7)[1] == labels[:7]
    assert index._kneighbors(query=np.ones(16), reverse=True)[1] == labels


def test_a_view_that_mongodb_could_not_hold_is_refused(index, monkeypatch):
    from fiftyone_simfind.backend import queries

    monkeypatch.setattr(queries, "MAX_SELECTED", 100)
    with pytest.raises(OptionError, match="k=None would put 175 ids into one view, .* give k=100 or less"):
        index.sort_by_similarity(index.label_ids[0])


def test_deleting_the_run_removes_its_copy(index, crowd):
    folder = index.home.folder
    assert list(folder.glob("*.f32"))
    crowd.delete_brain_run("own")
    assert not list(folder.glob("*.f32"))
    assert crowd.count("things.detections.embedding") > 0
