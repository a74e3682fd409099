"""Similarity search over the vector databases of FiftyOne's Brain, against plain loops over the same vectors."""

import fiftyone as fo
import numpy as np
import pytest
from fiftyone import ViewField as F
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _engines, _metric, _objects, _paging, _runs, _vendors
from fiftyone_simfind._rules import Rules
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError, PackageError
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part
from fiftyone_simfind.testing import toy_dataset

PARTS = [Part("look", 0, 5), Part("kind", 5, 12, whiten=False)]
IMAGES, OBJECTS, DIM = 40, 6, 12
finish = _vendors.PgVector.finish


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """240 objects of four classes and of none; some look just like others, and three have no direction."""
    path = str(tmp_path_factory.mktemp("shelf") / "shelf.png")
    Image.new("RGB", (40, 40)).save(path)
    rng = np.random.default_rng(51)
    vectors = rng.standard_normal((IMAGES * OBJECTS, DIM)).astype(np.float32) + np.linspace(2, 0, DIM, dtype=np.float32)
    vectors[100:110] = vectors[7]
    vectors[3], vectors[4], vectors[5, 2] = 0, np.nan, np.inf
    samples = []
    for image in range(IMAGES):
        detections = [
            fo.Detection(label=["a", "b", "c", "d", None][row % 5], bounding_box=[0.1, 0.1, 0.5, 0.5], embedding=vector)
            for row, vector in enumerate(vectors[image * OBJECTS : (image + 1) * OBJECTS], image * OBJECTS)
        ]
        detections.append(fo.Detection(label="bare", bounding_box=[0.1, 0.1, 0.5, 0.5]))
        samples.append(fo.Sample(filepath=path, number=image, things=fo.Detections(detections=detections)))
    dataset = fo.Dataset()
    dataset.add_sample_field("things", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    dataset.add_sample_field("things.detections.embedding", fo.VectorField)
    dataset.add_samples(samples, progress=False)
    yield dataset
    dataset.delete()


class Oracle:
    """What a search has to find, by a loop over the objects."""

    def __init__(self, dataset, whitening):
        self.rows = []
        for sample in dataset:
            for thing in sample.things.detections:
                stored = getattr(thing, "embedding", None)
                if stored is not None and np.isfinite(stored).all() and stored.any():
                    self.rows.append((thing.id, sample.id, thing.label, stored))
        stored = np.array([row[3] for row in self.rows])
        white = whitening.apply(stored) if whitening else stored / np.linalg.norm(stored, axis=1, keepdims=True)
        self.vectors = white.astype(np.float64)
        self.ids = [row[0] for row in self.rows]

    def rank(self, query, k, rules):
        inside = None if rules.within is None else set(rules.within.values("things.detections.id", unwind=True))
        scored = []
        for row, (label_id, sample_id, label, _) in enumerate(self.rows):
            score = round(float(self.vectors[row] @ np.asarray(query, np.float64)), 9)
            allowed = (
                (rules.labels is None or label in rules.labels)
                and label not in rules.not_labels
                and label_id not in rules.not_ids
                and sample_id not in rules.not_samples
                and (rules.min_score is None or score >= rules.min_score)
                and (inside is None or label_id in inside)
            )
            if allowed:
                scored.append((score if rules.reverse else -score, row, sample_id))
        found, samples = [], set()
        for cost, row, sample_id in sorted(scored):
            if not rules.one_per_image or sample_id not in samples:
                found.append((self.ids[row], cost if rules.reverse else -cost))
                samples.add(sample_id)
        return found[:k]


@pytest.fixture(scope="module", params=["whitened", "as they are"])
def index(engine, shelf, request):
    """An index of the shelf in an engine, and what it has to find."""
    backend, options = engine
    good = np.array(
        [v for v in shelf.values("things.detections.embedding", unwind=True) if v is not None and np.isfinite(v).all()]
    )
    whitening = wh.fit(good[good.any(axis=1)], PARTS) if request.param == "whitened" else None
    with pytest.warns(UserWarning, match="3 objects are left out"):
        built = _engines.build(shelf, "things", "embedding", backend, "far", whitening, **options)
    yield _engines.load(shelf, "far"), Oracle(shelf, whitening)
    _vendors.vendor(backend)(built).drop()
    shelf.delete_brain_run("far")


def check(index, query, k, rules):
    gallery, oracle = index
    found, expected = gallery.rank(query, k, rules), oracle.rank(query, k, rules)
    assert found.label_ids == [label_id for label_id, _ in expected]
    np.testing.assert_allclose(found.scores, [score for _, score in expected], atol=1e-6)
    rows = [oracle.ids.index(label_id) for label_id in found.label_ids]
    np.testing.assert_allclose(found.vectors, oracle.vectors[rows].reshape(found.vectors.shape), atol=1e-6)
    assert list(zip(found.sample_ids, found.labels, strict=True)) == [oracle.rows[row][1:3] for row in rows]
    return found


def vector(index, label_ids):
    return index[0].known(label_ids).vectors[0]


RULES = {
    "all": {},
    "same class": dict(labels=frozenset("a")),
    "other classes": dict(not_labels=frozenset("ab")),
    "some classes": dict(labels=frozenset("cd")),
    "a class that is not there": dict(labels=frozenset({"unicorn"})),
    "one per image": dict(one_per_image=True),
    "above a score": dict(min_score=0.4),
    "above a score that none has": dict(min_score=0.9999999),
    "least similar": dict(reverse=True),
    "least similar, above a score": dict(reverse=True, min_score=0.0),
    "least similar, one per image": dict(reverse=True, one_per_image=True),
    "several rules": dict(labels=frozenset("abc"), not_labels=frozenset("b"), one_per_image=True, min_score=-0.2),
}


@pytest.mark.parametrize("k", [1, 10, 1000])
@pytest.mark.parametrize("rules", RULES)
def test_what_the_rules_allow_is_found_in_order(index, rules, k):
    check(index, index[1].vectors[20].astype(np.float32), k, Rules(**RULES[rules]))


@pytest.mark.parametrize("rules", RULES)
def test_an_engine_that_has_to_be_asked_again_and_again_gives_the_same(index, rules, monkeypatch):
    monkeypatch.setattr(_paging, "FIRST", 2)
    monkeypatch.setattr(_paging, "MORE", 2)
    for k in (1, 7):
        check(index, index[1].vectors[150].astype(np.float32), k, Rules(**RULES[rules]))


@pytest.mark.parametrize("rules", RULES)
def test_an_engine_that_is_told_who_may_be_found_gives_the_same(index, rules, monkeypatch):
    monkeypatch.setattr(_paging, "FIRST", 2)
    monkeypatch.setattr(_paging, "PATIENCE", 1)
    monkeypatch.setattr(_paging, "FAR", 0)
    query = index[1].vectors[150].astype(np.float32)
    best = check(index, query, 5, Rules(**RULES[rules]))
    check(index, query, 1, Rules(**RULES[rules], not_samples=frozenset(best.sample_ids)))


def test_the_query_and_its_image_can_be_left_out(index):
    gallery, oracle = index
    label_id, sample_id = oracle.rows[30][:2]
    query = vector(index, [label_id])
    assert check(index, query, 5, Rules()).label_ids[0] == label_id
    assert label_id not in check(index, query, 300, Rules(not_ids=frozenset({label_id}))).label_ids
    assert sample_id not in check(index, query, 300, Rules(not_samples=frozenset({sample_id}))).sample_ids


@pytest.mark.parametrize("patience", [1, 1000])
def test_only_objects_in_the_view_are_found(index, shelf, patience, monkeypatch):
    monkeypatch.setattr(_paging, "FIRST", 2)
    monkeypatch.setattr(_paging, "PATIENCE", patience)
    monkeypatch.setattr(_paging, "FAR", 0)
    query = index[1].vectors[20].astype(np.float32)
    for view in (shelf.match(F("number") > 30), shelf.filter_labels("things", F("label") == "c"), shelf.limit(0)):
        check(index, query, 8, Rules(within=view))
        check(index, query, 8, Rules(within=view, labels=frozenset("cd"), reverse=True))
    patches = shelf.limit(3).to_patches("things")
    found = index[0].rank(query, 50, Rules(within=patches, labels=frozenset("ab")))
    assert found.label_ids == index[0].rank(query, 50, Rules(within=shelf.limit(3), labels=frozenset("ab"))).label_ids
    assert len(found.label_ids) == 7


def test_objects_that_look_the_same_come_in_the_order_of_the_dataset(index, monkeypatch):
    monkeypatch.setattr(_paging, "FIRST", 3)
    oracle = index[1]
    row = next(row for row, found in enumerate(oracle.rows) if (found[3] == oracle.rows[4][3]).all())
    found = check(index, oracle.vectors[row].astype(np.float32), 3, Rules())
    assert found.scores == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_last_that_an_engine_came_to_settles_only_what_is_before_it(reverse):
    seen = _paging.Seen(np.float32([1, 0]), Rules(reverse=reverse))
    ends = np.float32([[1, 0], [0, 1], [-1, 0]])[:: -1 if reverse else 1]
    seen.add([_objects.Object(str(row), "image", None, None) for row in range(2)], ends[:2], "things")
    assert seen.settles(seen.best(1), 1, 1e-5)
    assert not seen.settles(seen.best(2), 2, 1e-5)
    assert not seen.settles(seen.best(3), 3, 1e-5)


def test_objects_are_known_by_id_in_the_order_asked_for(index, shelf):
    gallery, oracle = index
    asked = [oracle.ids[90], "nonsense", oracle.ids[3], "0" * 24, oracle.ids[4]]
    bare = shelf.first().things.detections[-1].id
    zero = shelf.first().things.detections[3].id
    found = gallery.known([*asked, bare, zero])
    assert found.label_ids == asked[::2]
    assert found.sample_ids == [oracle.rows[row][1] for row in (90, 3, 4)]
    np.testing.assert_allclose(found.vectors, oracle.vectors[[90, 3, 4]], atol=1e-6)
    assert found.scores.tolist() == [1, 1, 1]
    assert gallery.known([]).label_ids == []


def test_the_gallery_tells_what_its_vectors_are(index):
    gallery, oracle = index
    assert (gallery.patches_field, gallery.embeddings_field, gallery.dim) == ("things", "embedding", DIM)
    assert gallery.parts[-1].stop == oracle.vectors.shape[1]


def test_an_object_that_was_deleted_is_not_found(index, shelf):
    gallery, oracle = index
    query = oracle.vectors[20].astype(np.float32)
    first = gallery.rank(query, 3, Rules()).label_ids
    sample = shelf[oracle.rows[20][1]]
    before = list(sample.things.detections)
    sample.things.detections = [thing for thing in before if thing.id != oracle.ids[20]]
    sample.save()
    try:
        after = gallery.rank(query, 2, Rules()).label_ids
    finally:
        sample.things.detections = before
        sample.save()
    assert after == first[1:]


def test_an_engine_that_gives_no_more_says_so(index, monkeypatch):
    monkeypatch.setattr(type(index[0].engine), "most", property(lambda self: 20))
    query = index[1].vectors[20].astype(np.float32)
    check(index, query, 10, Rules())
    check(index, query, 10, Rules(labels=frozenset("a")))
    with pytest.raises(OptionError, match=r"gives the 20 nearest objects at most, and the search allows 20 .* k=21"):
        index[0].rank(query, 21, Rules())


def few_given(engine, monkeypatch, most):
    """Make an engine behave like an approximate index, which gives no more than what it looks at."""
    nearest = type(engine).nearest

    def some(self, vector, k, among):
        return nearest(self, vector, k if among is not None else min(k, most), among)

    monkeypatch.setattr(type(engine), "nearest", some)
    monkeypatch.setattr(type(engine), "exact", property(lambda self: False))


def test_an_approximate_index_that_gives_too_few_says_so(index, monkeypatch):
    few_given(index[0].engine, monkeypatch, 40)
    query = index[1].vectors[20].astype(np.float32)
    check(index, query, 40, Rules())
    with pytest.raises(OptionError, match=r"gave 40 of the 120 nearest objects, because its index is approximate"):
        index[0].rank(query, 60, Rules())


def test_an_approximate_index_is_told_who_may_be_found(index, shelf, monkeypatch):
    few_given(index[0].engine, monkeypatch, 40)
    check(index, index[1].vectors[20].astype(np.float32), 45, Rules(labels=frozenset("a")))
    check(index, index[1].vectors[20].astype(np.float32), 50, Rules(within=shelf.skip(25)))


@pytest.fixture
def graph(engine, shelf):
    """Builds an index of the shelf with options of the engine, and gives it with what it has to find."""
    backend, options = engine

    def make(**more):
        with pytest.warns(UserWarning, match="3 objects are left out"):
            _engines.build(shelf, "things", "embedding", backend, "graph", None, **{**options, **more})
        return _engines.load(shelf, "graph"), Oracle(shelf, None)

    yield make
    _runs.delete(shelf, "graph")


@pytest.mark.parametrize("engine", ["pgvector"], indirect=True)
def test_a_graph_of_postgresql_finds_few_and_says_so(graph):
    index = graph(index_type="hnsw")
    assert not index[0].engine.exact
    query = index[1].vectors[20].astype(np.float32)
    check(index, query, 3, Rules())
    check(index, query, 45, Rules(labels=frozenset("a")))
    with pytest.raises(OptionError, match=r"gave \d\d of the 120 .* Build it anew without index_type"):
        index[0].rank(query, 60, Rules())


@pytest.mark.parametrize("engine", ["pgvector"], indirect=True)
def test_lists_of_postgresql_are_found_when_all_vectors_are_there(graph, monkeypatch):
    made = []
    monkeypatch.setattr(_objects, "CHUNK", 50)
    monkeypatch.setattr(_vendors.PgVector, "finish", lambda self: made.append(self.size) or finish(self))
    index = graph(ivfflat_lists=4, ivfflat_probes=4)
    assert made == [237]
    assert not index[0].engine.exact
    check(index, index[1].vectors[20].astype(np.float32), 50, Rules())


@pytest.mark.parametrize("engine", ["milvus"], indirect=True)
def test_milvus_looks_at_all_vectors(graph):
    collection = graph()[0].engine.index.collection
    assert collection.index().params["index_type"] == "FLAT"


def test_an_index_is_found_again_by_another_session(index, engine, shelf):
    backend, options = engine
    shelf._brain_cache.clear()
    found = shelf.load_brain_results("far", **options)
    assert _vendors.vendor(backend)(found).size == len(index[1].ids)
    assert _engines.load(shelf, "far").known(index[1].ids[:1]).label_ids == index[1].ids[:1]


def test_a_server_that_is_named_is_tested(server):
    assert _vendors.vendor(server) is not _vendors.Engine


# Making and losing an index


@pytest.fixture
def build(engine, toys):
    """Builds an index of the toys, which is deleted afterwards."""
    backend, options = engine

    def make(key="toy", **more):
        return _engines.build(toys, "objects", "embedding", backend, key, None, **{**options, **more})

    yield make
    for key in toys.list_brain_runs():
        _runs.delete(toys, key)


def test_deleting_an_index_deletes_its_vectors(engine, toys, build):
    used = _vendors.vendor(engine[0])(build())
    assert not used.is_new()
    _runs.delete(toys, "toy")
    assert toys.list_brain_runs() == []
    again = build()
    assert _vendors.vendor(engine[0])(again).size == 8


def test_an_index_can_be_replaced(engine, toys, build):
    build()
    second = _runs.make(toys, "toy", lambda key: build(key))
    assert toys.list_brain_runs() == ["toy"]
    assert _vendors.vendor(engine[0])(second).size == 8
    assert len(_engines.load(toys, "toy").rank(np.float32([1, 0]), 20, Rules()).label_ids) == 8


def test_a_table_that_is_there_is_not_mixed_up_with_another(engine, toys, build):
    config = build().config
    names = {name: getattr(config, name) for name in _vendors.Engine.names if getattr(config, name, None)}
    with pytest.raises(OptionError, match="already holds a table"):
        build("other", **names)


def test_objects_without_any_direction_make_no_index(toys, build):
    toys.set_values("objects.detections.embedding", [[np.zeros(2, np.float32)] * 2] * 4)
    with pytest.raises(FieldError, match='no object has a vector with a direction in "objects.detections.embedding"'):
        build()


def test_vectors_of_two_models_make_no_index(toys, build):
    toys.set_values("objects.detections.embedding", [[np.ones(2), np.ones(3)]] * 4)
    with pytest.raises(FieldError, match=r"vectors of different lengths, \[2, 3\]"):
        build()


def test_vectors_that_were_embedded_anew_are_not_compared(toys, build):
    build()
    toys.set_values("objects.detections.embedding", [[np.ones(3)] * 2] * 4)
    with pytest.raises(FieldError, match=r"vectors of different lengths, \[2, 3\].* build the index anew"):
        _engines.load(toys, "toy").rank(np.float32([1, 0]), 3, Rules())


def test_another_metric_is_refused(build):
    with pytest.raises(OptionError, match='metric="euclidean": every score is a cosine'):
        build(metric="euclidean")


def test_an_index_that_learnt_anew_has_to_be_filled_anew(toys, build):
    build()
    _metric.save(toys, "toy", wh.fit(np.eye(2)))
    with pytest.raises(
        BrainRunError, match=r'"toy" .* not filled with the vectors that a search compares; .*overwrite'
    ):
        _engines.load(toys, "toy")


def test_an_index_that_is_not_there_is_named(toys, build):
    with pytest.raises(BrainRunError, match='"nowhere" is no brain run'):
        _engines.load(toys, "nowhere")


def test_an_index_whose_table_is_gone_says_where_it_looked(engine, toys, build):
    backend = _vendors.vendor(engine[0])
    backend(build()).drop()
    variable = f"FIFTYONE_BRAIN_SIMILARITY_{engine[0]}_{backend.address}".upper()
    with pytest.raises(BrainRunError, match=f'"toy" .* is not in the {engine[0]} .* in the environment as {variable}'):
        _engines.load(toys, "toy")
    toys.delete_brain_run("toy")


def test_vectors_that_are_not_found_are_told_of_when_their_index_is_deleted(engine, toys, build):
    _vendors.vendor(engine[0])(build()).drop()
    with pytest.warns(UserWarning, match=f'the vectors of index "toy" stay where they are: .* not in the {engine[0]}'):
        _runs.delete(toys, "toy")
    assert toys.list_brain_runs() == []


def test_a_server_that_does_not_answer_leaves_no_index(toys):
    pytest.importorskip("psycopg2")
    cure = r"pgvector cannot be used: .*; say where it is with build_index\(\.\.\., connection_string=\.\.\.\)"
    with pytest.raises(BrainRunError, match=f"(?s){cure}"):
        simfind.build_index(toys, "objects", backend="pgvector", connection_string="host=/nowhere")
    assert toys.list_brain_runs() == []


def test_a_missing_package_is_named_with_its_cure(engine, build, monkeypatch):
    monkeypatch.setattr(_vendors.vendor(engine[0]), "needs", ("nowhere_to_be_found",))
    cure = rf'needs nowhere_to_be_found: pip install "fiftyone-simfind\[{engine[0]}\]"'
    with pytest.raises(PackageError, match=cure):
        build()


# Searching as everywhere else


@pytest.fixture(scope="module")
def both(engine, tmp_path_factory):
    """The toys with an index in an engine, "far", and one of our own, "near"."""
    backend, options = engine
    dataset = toy_dataset(folder=tmp_path_factory.mktemp("toys"))
    simfind.build_index(dataset, "objects", brain_key="near", whiten=True)
    simfind.build_index(dataset, "objects", brain_key="far", backend=backend, whiten=True, **options)
    yield dataset
    for key in dataset.list_brain_runs():
        _runs.delete(dataset, key)
    dataset.delete()


SEARCHES = {
    "plain": {},
    "two": dict(k=2),
    "same class": dict(scope="same_class"),
    "other classes": dict(scope="other_classes"),
    "classes": dict(classes=["vase"]),
    "with the query": dict(include_query=True),
    "other images": dict(exclude_same_image=True),
    "one per image": dict(one_per_image=True),
    "score": dict(min_score=0.5),
    "reverse": dict(reverse=True),
}


@pytest.mark.parametrize("options", SEARCHES)
def test_a_search_finds_the_same_as_in_an_index_of_our_own(both, options):
    ids = both.values("objects.detections.id", unwind=True)
    objects = {"query": [ids[1], ids[3]], "negatives": [ids[6]]}
    asked = [(both, objects), (both.skip(1), objects), (both.to_patches("objects").limit(6), objects)]
    if "scope" not in SEARCHES[options]:
        asked.append((both, {"query": [1.0, 0.2]}))
    for view, query in asked:
        near, far = (simfind.search(view, brain_key=key, **query, **SEARCHES[options]) for key in ("near", "far"))
        assert far.ids == near.ids
        assert far.scores == pytest.approx(near.scores, abs=1e-6)
        assert [match.filepath for match in far] == [match.filepath for match in near]


def test_results_are_sorted_as_everywhere_else(both):
    label_id = both.first().objects.detections[0].id
    near, far = (simfind.sort_by_similarity(both, label_id, brain_key=key, k=3) for key in ("near", "far"))
    assert far.values("id") == near.values("id")
