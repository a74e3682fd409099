"""Objects of an image from outside, and searching for them."""

import contextlib
import io
import json
import shutil
import threading

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import Candidate, ImageError, ModelError, OptionError, QueryError
from fiftyone_simfind.errors import BrainRunError
from fiftyone_simfind.models import registry
from fiftyone_simfind.testing import FakeDetector


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Scenes of the showroom, detected and indexed."""
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(num_scenes=12, folder=tmp_path_factory.mktemp("scenes"), name="detect-query")
    simfind.detect(dataset, model="showroom.pt")
    simfind.build_index(dataset, "objects")
    yield dataset
    dataset.delete()


@pytest.fixture(scope="module")
def candidates(scenes):
    return simfind.detect_query(scenes.first().filepath, samples=scenes)


@pytest.fixture
def faked(photos):
    """Photos with the objects of a fake, which cannot be loaded again."""
    simfind.detect(photos, model=FakeDetector())
    simfind.build_index(photos, "objects")
    return photos


def test_a_sample_s_own_file_gives_the_objects_that_the_dataset_has(scenes, candidates):
    stored = scenes.first().objects.detections
    assert [c.label for c in candidates[:-1]] == [d.label for d in stored]
    assert [c.confidence for c in candidates[:-1]] == pytest.approx([d.confidence for d in stored], abs=1e-4)
    for candidate, detection in zip(candidates, stored, strict=False):
        assert candidate.bounding_box == pytest.approx(detection.bounding_box, abs=1e-4)
        assert candidate.vector @ detection.embedding > 0.999


def test_the_surest_come_first_and_last_the_whole_image(candidates):
    sure = [candidate.confidence for candidate in candidates[:-1]]
    assert sure == sorted(sure, reverse=True)
    whole = candidates[-1]
    assert (whole.label, whole.confidence, whole.bounding_box) == (None, None, [0, 0, 1, 1])
    assert whole.vector.shape == candidates[0].vector.shape
    assert np.linalg.norm(whole.vector) == pytest.approx(1, abs=1e-5)


def test_the_whole_image_has_the_vector_of_a_box_around_it(scenes, candidates):
    copy = fo.Dataset()
    box = fo.Detection(label="all", bounding_box=[0, 0, 1, 1])
    copy.add_sample(fo.Sample(filepath=scenes.first().filepath, boxes=fo.Detections(detections=[box])))
    simfind.embed(copy, "boxes", model="showroom.pt")
    assert candidates[-1].vector @ copy.first().boxes.detections[0].embedding > 0.999
    copy.delete()


@pytest.mark.parametrize("kind", ["bytes", "picture", "array"])
def test_however_the_image_is_given_it_gives_the_same(scenes, candidates, kind):
    path = scenes.first().filepath
    with open(path, "rb") as file, Image.open(path) as picture:
        source = {"bytes": file.read(), "picture": picture.copy(), "array": np.array(picture.convert("RGB"))}[kind]
    again = simfind.detect_query(source, samples=scenes)
    assert again == candidates
    assert all(a.vector @ b.vector > 0.9999 for a, b in zip(again, candidates, strict=True))


def test_a_candidate_finds_its_own_object_first(scenes, candidates):
    stored = scenes.first().objects.detections
    for candidate, detection in zip(candidates[:3], stored, strict=False):
        best = simfind.search(scenes, candidate, k=1)[0]
        assert best.label_id == detection.id
        assert best.score > 0.999


def test_a_candidate_is_searched_for_like_its_vector(scenes, candidates):
    found, expected = (simfind.search(scenes, query, k=10) for query in (candidates[0], candidates[0].vector))
    assert (found.ids, found.scores, found.query) == (expected.ids, expected.scores, [])


def test_several_candidates_are_searched_for_together_with_negatives_and_emphasis(scenes, candidates):
    some, vectors = candidates[:2], [candidate.vector for candidate in candidates]
    found = simfind.search(scenes, some, negatives=candidates[2], emphasis="look")
    expected = simfind.search(scenes, vectors[:2], negatives=vectors[2], emphasis="look")
    assert (found.ids, found.scores) == (expected.ids, expected.scores)


def test_same_class_and_other_classes_are_those_of_the_candidate(scenes, candidates):
    label = candidates[0].label
    same = simfind.search(scenes, candidates[0], scope="same_class")
    assert {match.label for match in same} == {label}
    assert label not in {match.label for match in simfind.search(scenes, candidates[0], scope="other_classes")}
    both = {candidate.label for candidate in candidates[:2]}
    assert {match.label for match in simfind.search(scenes, candidates[:2], scope="same_class", k=500)} == both


def test_the_whole_image_has_no_class_to_search_in(scenes, candidates):
    with pytest.raises(OptionError, match="needs a query with a label"):
        simfind.search(scenes, candidates[-1], scope="same_class")
    assert len(simfind.search(scenes, candidates[-1], k=5)) == 5


def test_a_candidate_beside_an_object_is_searched_for_like_their_vectors(scenes, candidates):
    """Its own object in the dataset has the very vector, so that either can stand for it."""
    own, other = (found.id for found in scenes.first().objects.detections[:2])
    both = simfind.search(scenes, [candidates[0], other], negatives=[candidates[2]], include_query=True)
    third = simfind.search(scenes, candidates[2], k=1, include_query=True)[0]
    same = simfind.search(scenes, [own, other], negatives=[third.label_id], include_query=True)
    assert both.ids == same.ids
    assert both.scores == pytest.approx(same.scores, abs=1e-3)
    assert [match.label_id for match in both.query] == [other]
    assert other not in simfind.search(scenes, [candidates[0], other]).ids


def test_an_index_of_other_vectors_refuses_a_candidate(indexed, candidates):
    with pytest.raises(QueryError, match="the index holds vectors of length 2"):
        simfind.search(indexed, candidates[0])


def test_a_candidate_survives_json(candidates):
    for candidate in (candidates[0], candidates[-1]):
        again = Candidate.from_dict(json.loads(json.dumps(candidate.to_dict())))
        assert again == candidate
        assert np.array_equal(again.vector, candidate.vector)


@pytest.mark.parametrize(
    "change",
    [
        {"vector": "not base64!"},
        {"vector": "AAA="},
        {"vector": None},
        {"bounding_box": [0, 0, 1]},
        {"bounding_box": [0, 0, 1, "x"]},
        {"bounding_box": [0, 0, 1, float("nan")]},
        {"bounding_box": None},
        {"label": ["a"]},
        {"confidence": "sure"},
    ],
)
def test_what_is_no_candidate_is_refused(candidates, change):
    with pytest.raises(QueryError, match=r"this is no candidate of simfind.detect_query"):
        Candidate.from_dict({**candidates[0].to_dict(), **change})
    with pytest.raises(QueryError, match="KeyError"):
        Candidate.from_dict({})


def test_only_objects_that_are_sure_enough_are_given(scenes, candidates):
    threshold = candidates[0].confidence - 1e-3
    sure = simfind.detect_query(scenes.first().filepath, samples=scenes, confidence_thresh=threshold)
    assert sure == [c for c in candidates if c.confidence is None or c.confidence >= threshold]
    with pytest.raises(OptionError, match=r"confidence_thresh=2 must lie in \[0, 1\]"):
        simfind.detect_query(scenes.first().filepath, samples=scenes, confidence_thresh=2)


def test_an_image_without_objects_gives_the_whole_alone(scenes):
    (whole,) = simfind.detect_query(Image.new("RGB", (64, 48)), samples=scenes, confidence_thresh=1)
    assert whole.label is None


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 100), (300, 3), (4000, 41)])
def test_a_tiny_or_narrow_image_gives_a_vector(scenes, size):
    whole = simfind.detect_query(Image.new("RGB", size, (200, 30, 60)), samples=scenes)[-1]
    assert np.isfinite(whole.vector).all()


def test_an_image_that_is_too_narrow_is_refused(scenes):
    with pytest.raises(ImageError, match="too narrow to find anything in"):
        simfind.detect_query(Image.new("RGB", (5000, 1)), samples=scenes)


def test_a_bad_image_is_refused_before_a_model_is_loaded(scenes, monkeypatch):
    monkeypatch.setattr("fiftyone_simfind.models.load_embedder", None)
    with pytest.raises(ImageError, match="is a text file"):
        simfind.detect_query(b"no image", samples=scenes)


def test_nothing_is_written(scenes):
    before = (scenes.count("objects.detections"), len(scenes), scenes.max("last_modified_at"))
    simfind.detect_query(Image.new("RGB", (64, 48)), samples=scenes)
    assert (scenes.count("objects.detections"), len(scenes), scenes.max("last_modified_at")) == before


def test_two_threads_at_once_load_one_model_and_get_what_one_gets(scenes, candidates, monkeypatch):
    registry._load_yolo.cache_clear()
    loads, load = [], registry._of_yolo
    monkeypatch.setattr(registry, "_of_yolo", lambda *args: loads.append(args) or load(*args))
    paths = scenes.values("filepath")[:4] * 2
    found, start = {}, threading.Barrier(len(paths))

    def ask(number):
        start.wait()
        found[number] = simfind.detect_query(paths[number], samples=scenes)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    for number, path in enumerate(paths):
        alone = simfind.detect_query(path, samples=scenes)
        assert found[number] == alone
        assert all(a.vector @ b.vector > 0.9999 for a, b in zip(found[number], alone, strict=True))
    assert found[0] == candidates
    assert len(loads) == 1


def test_a_weights_file_that_has_changed_is_not_taken_for_the_old_one(scenes, tmp_path):
    from fiftyone_simfind import showroom

    path = tmp_path / "mine.pt"
    shutil.copy(showroom.WEIGHTS, path)
    copy = scenes[:2].clone("detect-query-copy")
    simfind.embed(copy, "objects", model=path, overwrite=True)
    simfind.build_index(copy, "objects", overwrite=True)
    assert len(simfind.detect_query(copy.first().filepath, samples=copy)) > 1
    path.write_bytes(b"no weights any more")
    with pytest.raises(ModelError, match="cannot load"):
        simfind.detect_query(copy.first().filepath, samples=copy)
    copy.delete()


@pytest.fixture(scope="module")
def cropped(scenes):
    """Scenes with an index of what a network of crops sees of the objects that a detector has found."""
    copy = scenes[:3].clone("detect-query-crops")
    simfind.embed(copy, "objects", model=CropNetwork(), embeddings_field="crops")
    simfind.build_index(copy, "objects", embeddings_field="crops", brain_key="crops")
    yield copy
    copy.delete()


def of_crops(samples, **options):
    path = samples.first().filepath
    return simfind.detect_query(path, samples=samples, brain_key="crops", model=CropNetwork(), **options)


def test_for_crop_networks_the_detector_of_the_index_finds_the_objects(cropped):
    found, stored = of_crops(cropped), cropped.first().objects.detections
    assert [c.label for c in found] == [*(d.label for d in stored), None]
    for candidate, detection in zip(found, stored, strict=False):
        assert candidate.bounding_box == pytest.approx(detection.bounding_box, abs=1e-4)
        assert candidate.vector == pytest.approx(detection.crops, abs=1e-3)
        assert simfind.search(cropped, candidate, brain_key="crops", k=1).ids == [detection.id]


def test_another_detector_may_find_them(cropped):
    assert [candidate.label for candidate in of_crops(cropped, detector=FakeDetector())][:3] == [
        "left",
        "top",
        "bottom",
    ]


def test_crop_networks_give_the_whole_image_alone_without_a_detector(cropped):
    (whole,) = of_crops(cropped, detector=False)
    assert (whole.label, whole.bounding_box) == (None, [0, 0, 1, 1])
    with Image.open(cropped.first().filepath) as picture:
        bgr = np.asarray(picture.convert("RGB"))[..., ::-1]
    assert whole.vector == pytest.approx(CropNetwork().embed([bgr], [np.array([[0, 0, 1, 1]])])[0][0], abs=1e-3)


@pytest.mark.parametrize("facts", [{"weights": None}, None])
def test_where_no_detector_is_known_the_whole_image_is_alone(cropped, facts):
    with recorded_otherwise(cropped, facts):
        assert len(of_crops(cropped)) == 1


def test_a_detector_that_has_changed_is_not_taken_for_the_old_one(cropped):
    with recorded_otherwise(cropped, {"model": "another"}):
        message = 'the objects in "objects" were found by another.* is now .*; put the former back'
        with pytest.raises(ModelError, match=message):
            of_crops(cropped)
        assert len(of_crops(cropped, detector="showroom.pt")) > 1


def test_a_detector_that_is_gone_leaves_the_whole_image(cropped, caplog):
    with recorded_otherwise(cropped, {"weights": "/gone/best.pt"}):
        assert [candidate.label for candidate in of_crops(cropped)] == [None]
        assert "/gone/best.pt" in caplog.text
        with pytest.raises(ModelError, match="/gone/other.pt"):
            of_crops(cropped, detector="/gone/other.pt")


def test_one_class_may_be_named_without_a_list(cropped):
    label = cropped.first().objects.detections[0].label
    assert {candidate.label for candidate in of_crops(cropped, classes=label)} == {label, None}


def test_a_photo_without_objects_is_shown_to_the_network_of_crops_once(cropped):
    class Picky(CropNetwork):
        def embed(self, images, boxes):
            assert all(len(of_image) for of_image in boxes)
            return super().embed(images, boxes)

    path = cropped.first().filepath
    asked = {"samples": cropped, "brain_key": "crops", "model": Picky()}
    assert len(simfind.detect_query(path, confidence_thresh=1, **asked)) == 1


def test_what_finds_no_objects_is_no_detector(cropped):
    with pytest.raises(ModelError, match="finds no objects"):
        of_crops(cropped, detector=CropNetwork())


@contextlib.contextmanager
def recorded_otherwise(samples, facts):
    """Have the field of objects say something else of what found them."""
    field = samples.get_field("objects")
    before = field.info
    field.info = {"simfind": {**before["simfind"], **facts}} if facts else {}
    field.save()
    yield
    field.info = before
    field.save()


def test_only_the_classes_that_the_index_has_are_looked_for(photos):
    simfind.detect(photos, model=FakeDetector(), classes=["top"])
    simfind.build_index(photos, "objects")
    options = dict(samples=photos, model=FakeDetector())
    path = photos.first().filepath
    assert [c.label for c in simfind.detect_query(path, **options)] == ["top", None]
    assert [c.label for c in simfind.detect_query(path, classes=["left"], **options)] == ["left", None]


class CropNetwork:
    """The mean colour, blue first, of a box; finds no objects."""

    name = "mean colour"

    def embed(self, images, boxes):
        return FakeDetector().embed(images, boxes)


def test_models_see_blue_first(faked):
    red = Image.new("RGB", (64, 48), (255, 0, 0))
    assert simfind.detect_query(red, samples=faked, model=FakeDetector())[-1].vector.argmax() == 2


def test_objects_without_a_vector_are_left_out(faked):
    outside = FakeDetector(boxes=[(0, 0, 1, 1), (1.5, 0, 0.2, 0.2)], labels=["in", "out"])
    found = simfind.detect_query(Image.new("RGB", (64, 48)), samples=faked, model=outside)
    assert [candidate.label for candidate in found] == ["in", None]


def test_a_model_that_did_not_come_from_a_file_has_to_be_given(faked):
    with pytest.raises(ModelError, match=r"made by fake, which did not come from a file .*; give it as model="):
        simfind.detect_query(Image.new("RGB", (64, 48)), samples=faked)


def test_another_model_is_refused(faked):
    with pytest.raises(ModelError, match=r"were made by fake, and .* is now other; put the former back"):
        simfind.detect_query(Image.new("RGB", (64, 48)), samples=faked, model=FakeDetector(name="other"))


def test_vectors_of_an_unknown_model_cannot_be_compared_with_a_photo(indexed):
    with pytest.raises(ModelError, match=r"were not made by simfind.*or run simfind.embed\(samples, \"objects\""):
        simfind.detect_query(Image.new("RGB", (64, 48)), samples=indexed)


def test_an_index_that_is_not_there_is_named(toys):
    with pytest.raises(BrainRunError, match='"simfind" is no brain run'):
        simfind.detect_query(Image.new("RGB", (64, 48)), samples=toys)


def test_a_view_and_its_patches_will_do(scenes, candidates):
    path = scenes.first().filepath
    for samples in (scenes[:2], scenes.to_patches("objects")[:5]):
        assert simfind.detect_query(path, samples=samples) == candidates


def test_brain_s_own_index_in_memory_will_do(scenes, candidates):
    simfind.build_index(scenes, "objects", brain_key="memory", backend="sklearn")
    assert simfind.detect_query(scenes.first().filepath, samples=scenes, brain_key="memory") == candidates
    best = simfind.search(scenes, candidates[0], brain_key="memory", k=1)[0]
    assert best.label_id == scenes.first().objects.detections[0].id
    scenes.delete_brain_run("memory")


def test_an_image_from_a_camera_lies_as_it_is_seen(scenes):
    """Turned by its EXIF orientation, it gives what the upright image gives."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    with Image.open(scenes.first().filepath) as picture:
        upright = picture.convert("RGB")
    upright.rotate(90, expand=True).save(file, "PNG", exif=exif)
    turned = simfind.detect_query(file.getvalue(), samples=scenes)
    assert turned == simfind.detect_query(upright, samples=scenes)


def test_a_candidate_has_a_picture_of_its_place_in_the_photo(scenes, candidates):
    photo = Image.open(scenes.first().filepath).convert("RGB")
    for candidate in candidates:
        x, y, w, h = candidate.bounding_box
        corners = [x - 0.12 * w, y - 0.12 * h, x + 1.12 * w, y + 1.12 * h]
        sides = [min(max(corner, 0), 1) * side for corner, side in zip(corners, photo.size * 2, strict=True)]
        wanted = photo.crop([round(side) for side in sides]).resize((8, 8), Image.Resampling.BOX)
        seen = candidate.picture.resize((8, 8), Image.Resampling.BOX)
        assert np.abs(np.asarray(seen, float) - np.asarray(wanted, float)).mean() < 6


def test_the_plot_of_a_search_shows_the_candidate(scenes, candidates):
    for candidate, name in ((candidates[0], candidates[0].label), (candidates[-1], "photo")):
        results = simfind.search(scenes, candidate, k=2)
        assert results.candidates == [candidate]
        axis = results.plot().axes[0]
        assert axis.get_title() == f"target: {name}"
        assert np.asarray(axis.images[0].get_array()).std() > 10
