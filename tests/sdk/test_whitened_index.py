"""What an index does to vectors before it compares them."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import _gallery, _query
from fiftyone_simfind.backend import state
from fiftyone_simfind.errors import BrainRunError, FieldError, OptionError
from fiftyone_simfind.numerics import vectors as vx
from fiftyone_simfind.numerics import whitening as wh
from fiftyone_simfind.numerics.parts import Part

PARTS = [Part("look", 0, 3), Part("shape", 3, 8), Part("kind", 8, 12, whiten=False)]
IMAGES, OBJECTS = 20, 6


class Parted:
    """Vectors in three parts that depend on the box alone; all of them share one direction."""

    name = "parted"
    parts = PARTS

    def embed(self, images, boxes):
        return [np.array([self.vector(box) for box in of_image], np.float32).reshape(-1, 12) for of_image in boxes]

    @staticmethod
    def vector(box):
        return np.abs(np.random.default_rng(int(box[0] * 1e7)).standard_normal(12)) + np.linspace(3, 0.5, 12)


@pytest.fixture
def shelf(tmp_path):
    """120 objects with a class and a colour, and vectors of ``Parted``."""
    path = str(tmp_path / "shelf.png")
    Image.new("RGB", (40, 40)).save(path)
    rng = np.random.default_rng(51)
    dataset = fo.Dataset()
    samples = []
    for _ in range(IMAGES):
        detections = [
            fo.Detection(
                label="abc"[i % 3], color="red" if i % 2 else None, bounding_box=[*rng.uniform(0, 0.5, 2), 0.3, 0.3]
            )
            for i in range(OBJECTS)
        ]
        samples.append(fo.Sample(filepath=path, things=fo.Detections(detections=detections)))
    dataset.add_samples(samples, dynamic=True, progress=False)
    simfind.embed(dataset, "things", model=Parted())
    simfind.build_index(dataset, "things")
    yield dataset
    dataset.delete()


def stored(dataset):
    """The vectors as the model gave them, and the label ids."""
    ids = dataset.values("things.detections.id", unwind=True)
    return np.array(dataset.values("things.detections.embedding", unwind=True), np.float32), ids


def test_scores_are_cosines_of_whitened_vectors(shelf):
    vectors, ids = stored(shelf)
    white = wh.fit(vectors, PARTS).apply(vectors)
    for match in simfind.search(shelf, ids[3], k=200):
        assert match.score == pytest.approx(float(white[ids.index(match.label_id)] @ white[3]), abs=1e-5)


def test_without_whitening_scores_are_cosines_of_the_vectors(shelf):
    simfind.build_index(shelf, "things", whiten=False, overwrite=True)
    vectors, ids = stored(shelf)
    unit = vx.normalize(vectors)
    for match in simfind.search(shelf, ids[3], k=200):
        assert match.score == pytest.approx(float(unit[ids.index(match.label_id)] @ unit[3]), abs=1e-5)


def test_vectors_that_simfind_did_not_make_are_taken_as_they_are(toys):
    simfind.build_index(toys, "objects")
    assert _gallery.load(toys, "simfind").whitening is None


def test_a_vector_from_outside_is_whitened_as_the_index_is(shelf):
    vectors, ids = stored(shelf)
    by_vector = simfind.search(shelf, vectors[7], k=5, include_query=True)
    assert by_vector.ids == simfind.search(shelf, ids[7], k=5, include_query=True).ids
    assert by_vector[0].score == pytest.approx(1, abs=1e-5)


def test_objects_that_come_later_do_not_change_the_scores_of_those_before(shelf):
    _, ids = stored(shelf)
    before = {m.label_id: m.score for m in simfind.search(shelf, ids[0], k=200)}
    sample = shelf.first()
    sample.things.detections.append(fo.Detection(label="a", bounding_box=[0.123, 0.1, 0.3, 0.3]))
    sample.save()
    simfind.refresh(shelf, model=Parted())
    after = {m.label_id: m.score for m in simfind.search(shelf, ids[0], k=200)}
    assert len(after) == len(before) + 1
    assert {i: after[i] for i in before} == pytest.approx(before, abs=1e-6)


def test_what_was_fitted_is_found_again_after_the_run_was_renamed(shelf):
    _, ids = stored(shelf)
    before = simfind.search(shelf, ids[0]).scores
    shelf.rename_brain_run("simfind", "other")
    assert simfind.search(shelf, ids[0], brain_key="other").scores == before


def test_what_was_fitted_for_a_deleted_index_is_removed(shelf):
    shelf.delete_brain_run("simfind")
    simfind.build_index(shelf, "things", brain_key="second")
    assert len(state._store(shelf).list_keys()) == 2


def test_stored_vectors_compare_as_those_of_their_model(shelf):
    report = simfind.compare(shelf, "things", models=[Parted(), "field:embedding"], label_attr="label")
    fresh, kept = report.results
    assert kept.means == pytest.approx(fresh.means, abs=1e-6)


# Emphasis


def test_emphasis_scales_the_query_and_leaves_the_objects_alone(shelf):
    vectors, ids = stored(shelf)
    white = wh.fit(vectors, PARTS)
    gallery = white.apply(vectors)
    query = gallery[3].copy()
    for part in white.out:
        query[part.start : part.stop] *= {"look": 2.0, "shape": 1.0, "kind": 0.5}[part.name]
    query /= np.linalg.norm(query)
    for match in simfind.search(shelf, ids[3], k=200, emphasis={"look": 2.0, "kind": 0.5}):
        assert match.score == pytest.approx(float(gallery[ids.index(match.label_id)] @ query), abs=1e-5)


def test_the_name_of_a_part_makes_it_decide(shelf):
    gallery = _gallery.load(shelf, "simfind")
    look = gallery.parts[0]
    for label_id in stored(shelf)[1][:20]:
        vector = _query.resolve(gallery, label_id, emphasis="look").vector
        assert np.linalg.norm(vector[look.start : look.stop]) > 0.95


def test_emphasis_of_one_is_no_emphasis(shelf):
    _, ids = stored(shelf)
    plain, same = (simfind.search(shelf, ids[0], emphasis=e) for e in (None, {"look": 1.0}))
    assert same.scores == pytest.approx(plain.scores, abs=1e-6)


@pytest.mark.parametrize(
    ("emphasis", "message"),
    [
        ({"colour": 2.0}, r"'colour': 2.0.* names parts .* do not have; theirs are \['look', 'shape', 'kind'\]"),
        ("size", "'size'.* names parts"),
        ({"look": -1.0}, "must be numbers of 0 or more"),
        ({"look": float("nan")}, "must be numbers of 0 or more"),
        ({"look": 0, "shape": 0, "kind": 0}, "not 0 for every part"),
    ],
)
def test_emphasis_that_means_nothing_is_refused(shelf, emphasis, message):
    with pytest.raises(OptionError, match=message):
        simfind.search(shelf, stored(shelf)[1][0], emphasis=emphasis)


def test_vectors_without_parts_cannot_be_emphasized(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(OptionError, match="Vectors of YOLO detectors have look, shape and kind"):
        simfind.search(toys, toys.first().objects.detections[0].id, emphasis={"look": 2.0})


# Queries from elsewhere


def test_a_catalogue_is_centred_on_itself(shelf):
    vectors, ids = stored(shelf)
    shift = np.random.default_rng(3).uniform(0, 6, 12)
    catalogue = vectors + shift

    def found(**options):
        firsts = [simfind.search(shelf, v, k=1, **options).ids[0] for v in catalogue[:60]]
        return sum(first == own for first, own in zip(firsts, ids, strict=False))

    assert found(query_domain=catalogue) > found()


def test_a_domain_is_for_vectors_alone(shelf):
    vectors, ids = stored(shelf)
    with pytest.raises(OptionError, match="query_domain is for queries that are vectors"):
        simfind.search(shelf, ids[0], query_domain=vectors)


def test_a_domain_needs_an_index_that_whitens(toys):
    simfind.build_index(toys, "objects")
    with pytest.raises(OptionError, match=r'build_index\(samples, "objects", whiten=True, overwrite=True\)'):
        simfind.search(toys, [1.0, 0.0], query_domain=[[1.0, 0.0]])
    simfind.build_index(toys, "objects", brain_key="other")
    with pytest.raises(OptionError, match=r'"objects", brain_key="other", whiten=True, overwrite=True\)'):
        simfind.search(toys, [1.0, 0.0], query_domain=[[1.0, 0.0]], brain_key="other")


# Learning from labels


def test_what_differs_within_a_class_counts_less(shelf):
    rng = np.random.default_rng(9)
    centers = {label: rng.standard_normal(12) for label in "abc"}
    labels = shelf.values("things.detections.label", unwind=True)
    noise = np.concatenate([np.full(4, 3.0), np.full(8, 0.3)])
    values = [np.float32(centers[label] + noise * rng.standard_normal(12)) for label in labels]
    per_image = [values[i : i + OBJECTS] for i in range(0, len(values), OBJECTS)]
    shelf.set_values("things.detections.embedding", per_image)
    simfind.build_index(shelf, "things", overwrite=True)
    before = simfind.evaluate(shelf, k=1)
    simfind.fit_metric(shelf, "label")
    after = simfind.evaluate(shelf, k=1)
    assert after.means["P@1"] > before.means["P@1"] + 0.1


def test_learning_can_be_taken_back(shelf):
    _, ids = stored(shelf)
    before = simfind.search(shelf, ids[0]).scores
    simfind.fit_metric(shelf, "label")
    assert simfind.search(shelf, ids[0]).scores != before
    simfind.fit_metric(shelf, None)
    assert simfind.search(shelf, ids[0]).scores == pytest.approx(before, abs=1e-6)


def test_only_labelled_objects_are_learnt_from(shelf):
    simfind.fit_metric(shelf, "color")
    assert _gallery.load(shelf, "simfind").whitening is not None


def test_labels_that_never_recur_teach_nothing(shelf):
    with pytest.raises(FieldError, match="says of no two objects that they are alike"):
        simfind.fit_metric(shelf, "id")


def test_an_index_that_is_not_there_cannot_learn(shelf):
    with pytest.raises(BrainRunError, match='"nowhere" is no brain run'):
        simfind.fit_metric(shelf, "label", brain_key="nowhere")
