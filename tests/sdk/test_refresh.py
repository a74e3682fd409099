"""An index and its dataset: what is new, edited, removed, and how a refresh makes up for it."""

import os

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind.errors import BrainRunError, ModelError, QueryError
from fiftyone_simfind.testing import FakeDetector


@pytest.fixture
def model():
    return FakeDetector()


@pytest.fixture
def shelf(photos, model):
    """Five photos with three objects each, indexed."""
    simfind.detect(photos, model=model)
    simfind.build_index(photos, "objects")
    return photos


def add(dataset, row, box, label="new"):
    sample = dataset.skip(row).first()
    sample.objects.detections.append(fo.Detection(label=label, bounding_box=box))
    sample.save()
    return sample.objects.detections[-1].id


def edit(dataset, row, box):
    sample = dataset.skip(row).first()
    sample.objects.detections[0].bounding_box = box
    sample.save()
    return sample.objects.detections[0].id


def remove(dataset, row):
    sample = dataset.skip(row).first()
    gone = sample.objects.detections.pop().id
    sample.save()
    return gone


def answers(dataset, brain_key="simfind"):
    """Every object's scores to every other, by id."""
    ids = dataset.values("objects.detections.id", unwind=True)
    found = {i: simfind.search(dataset, i, k=100, brain_key=brain_key) for i in ids}
    return {i: dict(zip(some.ids, some.scores, strict=True)) for i, some in found.items()}


def same_as_from_scratch(dataset):
    simfind.build_index(dataset, "objects", brain_key="scratch", whiten=False)
    expected, found = answers(dataset, "scratch"), answers(dataset)
    dataset.delete_brain_run("scratch")
    assert set(expected) == set(found)
    for label_id, scores in expected.items():
        assert found[label_id] == pytest.approx(scores, abs=1e-6)


@pytest.fixture
def plain(photos, model):
    """The same, with vectors compared as they are."""
    simfind.detect(photos, model=model)
    simfind.build_index(photos, "objects", whiten=False)
    return photos


def test_an_index_is_up_to_date_at_first(shelf):
    status = simfind.status(shelf)
    assert status.up_to_date
    assert (status.objects, status.indexed) == (15, 15)
    assert str(status) == 'index "simfind": 15 of 15 objects, up to date'


def test_what_has_changed_is_counted(shelf):
    add(shelf, 0, [0.1, 0.1, 0.2, 0.2])
    add(shelf, 1, [0.1, 0.1, 0.2, 0.3])
    edit(shelf, 2, [0.3, 0.3, 0.4, 0.4])
    remove(shelf, 3)
    shelf.delete_samples([shelf.last().id])
    status = simfind.status(shelf)
    assert (status.objects, status.indexed) == (13, 15)
    assert (status.new, status.edited, status.removed) == (2, 1, 4)
    assert not status.up_to_date
    assert str(status) == 'index "simfind": 15 of 13 objects, 2 new, 1 edited, 4 removed'


def test_asking_changes_nothing(shelf):
    add(shelf, 0, [0.1, 0.1, 0.2, 0.2])
    before = simfind.search(shelf, shelf.first().objects.detections[0].id).scores
    assert simfind.status(shelf) == simfind.status(shelf)
    assert simfind.search(shelf, shelf.first().objects.detections[0].id).scores == before


def test_a_refreshed_index_is_one_built_from_scratch(plain, model):
    for box in ([0.1, 0.1, 0.2, 0.2], [0.5, 0.2, 0.3, 0.3]):
        add(plain, 0, box)
        edit(plain, 2, [box[1], box[0], 0.35, 0.45])
        remove(plain, 3)
        status = simfind.refresh(plain, model=model)
        assert status.up_to_date
        same_as_from_scratch(plain)
    plain.delete_samples([plain.first().id])
    sample = fo.Sample(filepath=plain.last().filepath)
    plain.add_sample(sample)
    simfind.detect(plain, model=model)
    assert simfind.status(plain).not_indexed == 3
    assert simfind.refresh(plain, model=model).up_to_date
    same_as_from_scratch(plain)


def test_a_redetected_dataset_is_indexed_anew(plain):
    other = FakeDetector(boxes=[(0.1, 0.1, 0.4, 0.4), (0.5, 0.5, 0.2, 0.4)], labels=["a", "b"], name="other")
    simfind.detect(plain, model=other, overwrite=True)
    status = simfind.status(plain)
    assert (status.removed, status.not_indexed, status.other_model) == (15, 10, 15)
    assert simfind.refresh(plain, model=other).up_to_date
    same_as_from_scratch(plain)


def test_a_refresh_without_anything_to_do_leaves_the_index_alone(shelf):
    index = shelf.load_brain_results("simfind")
    before = index.home.state()
    simfind.refresh(shelf)
    assert index.home.state() == before


def test_only_what_is_new_or_edited_is_looked_at(shelf, model):
    new, edited = add(shelf, 0, [0.1, 0.1, 0.2, 0.2]), edit(shelf, 2, [0.3, 0.3, 0.4, 0.4])
    seen = []

    class Watching(FakeDetector):
        def embed(self, images, boxes):
            seen.extend(len(some) for some in boxes)
            return super().embed(images, boxes)

    before = dict(
        zip(
            shelf.values("objects.detections.id", unwind=True),
            shelf.values("objects.detections.embedding", unwind=True),
            strict=True,
        )
    )
    simfind.refresh(shelf, model=Watching())
    assert seen == [1, 1]
    for sample in shelf:
        for detection in sample.objects.detections:
            changed = detection.id in (new, edited)
            assert (before[detection.id] is detection.embedding) or (
                np.array_equal(before[detection.id], detection.embedding) != changed
            )


def test_an_object_with_no_area_is_looked_at_once(shelf, model):
    add(shelf, 0, [0.5, 0.5, 0.0, 0.0])
    status = simfind.refresh(shelf, model=model)
    assert (status.without_vector, status.new, status.up_to_date) == (1, 0, True)


def test_a_vector_that_was_taken_away_is_made_again(shelf, model):
    sample = shelf.first()
    sample.objects.detections[1].embedding = None
    sample.save()
    status = simfind.status(shelf)
    assert (status.new, status.removed) == (1, 1)
    assert simfind.refresh(shelf, model=model).indexed == 15


def test_a_label_that_was_edited_is_searched_by_after_a_refresh(shelf, model):
    sample = shelf.first()
    ids = [detection.id for detection in sample.objects.detections]
    sample.objects.detections[1].label = "left"
    sample.save()
    simfind.refresh(shelf, model=model)
    assert ids[1] in simfind.search(shelf, ids[0], k=100, scope="same_class").ids


@pytest.mark.parametrize("label", ["top", "lamp", None])
def test_an_object_with_another_label_is_counted_until_a_refresh(shelf, model, label):
    sample = shelf.first()
    sample.objects.detections[0].label = label
    sample.save()
    status = simfind.status(shelf)
    assert (status.relabelled, status.edited, status.not_indexed, status.up_to_date) == (1, 0, 0, False)
    assert str(status) == 'index "simfind": 15 of 15 objects, 1 with another label'
    assert simfind.refresh(shelf, model=model).up_to_date


def test_a_sample_that_was_modified_otherwise_has_no_object_with_another_label(shelf):
    sample = shelf.first()
    sample.tags.append("seen")
    sample.objects.detections.pop()
    sample.save()
    assert simfind.status(shelf).relabelled == 0


def test_the_model_is_loaded_from_where_it_came_from(photos):
    from fiftyone_simfind.showroom import WEIGHTS

    simfind.detect(photos, model=WEIGHTS, confidence_thresh=0.01, image_size=64)
    add_to = photos.first()
    add_to.objects.detections.append(fo.Detection(label="new", bounding_box=[0.1, 0.1, 0.5, 0.5]))
    add_to.save()
    if not photos.count("objects.detections.embedding"):
        simfind.embed(photos.limit(1), "objects", model=WEIGHTS, image_size=64)
        add(photos, 1, [0.1, 0.1, 0.4, 0.4])
    simfind.build_index(photos, "objects")
    assert simfind.status(photos).new == 1
    assert simfind.refresh(photos).up_to_date


def test_a_model_that_came_from_nowhere_must_be_given(shelf):
    add(shelf, 0, [0.1, 0.1, 0.2, 0.2])
    with pytest.raises(ModelError, match=r"was filled by fake, which did not come from a file; give it"):
        simfind.refresh(shelf)


def test_another_model_is_refused(shelf):
    add(shelf, 0, [0.1, 0.1, 0.2, 0.2])
    with pytest.raises(ModelError, match="holds vectors of fake, and model=.* is other"):
        simfind.refresh(shelf, model=FakeDetector(name="other"))
    assert simfind.status(shelf).new == 1


def test_without_anything_to_embed_no_model_is_needed(shelf):
    remove(shelf, 0)
    assert simfind.refresh(shelf).indexed == 14


def test_vectors_of_unknown_origin_are_taken_as_they_are(toys):
    simfind.build_index(toys, "objects")
    sample = toys.first()
    sample.objects.detections[0].embedding = np.array([0.0, 1.0], np.float32)
    sample.objects.detections.append(fo.Detection(label="new", bounding_box=[0, 0, 1, 1]))
    sample.save()
    status = simfind.status(toys)
    assert (status.not_indexed, status.new, status.edited) == (1, 1, 0)
    assert simfind.refresh(toys).new == 1
    assert simfind.search(toys, sample.objects.detections[0].id, k=1)[0].label == "mug"


def test_an_image_that_cannot_be_read_is_left_for_later(shelf, model):
    add(shelf, 0, [0.1, 0.1, 0.2, 0.2])
    path = shelf.first().filepath
    os.rename(path, path + ".away")
    assert simfind.refresh(shelf, model=model).new == 1
    os.rename(path + ".away", path)
    assert simfind.refresh(shelf, model=model).up_to_date


def test_a_stopped_refresh_is_taken_up_where_it_was(shelf):
    for row in range(4):
        add(shelf, row, [0.1, 0.1, 0.2, 0.2])

    class Stopping(FakeDetector):
        def embed(self, images, boxes):
            if self.seen >= 2:
                raise KeyboardInterrupt
            return super().embed(images, boxes)

    with pytest.raises(KeyboardInterrupt):
        simfind.refresh(shelf, model=Stopping(), batch_size=1, num_workers=0)
    status = simfind.status(shelf)
    assert (status.new, status.not_indexed) == (2, 2)
    again = FakeDetector()
    assert simfind.refresh(shelf, model=again).up_to_date
    assert again.seen == 2


def test_an_index_of_another_backend_says_so(toys):
    simfind.build_index(toys, "objects", backend="sklearn")
    with pytest.raises(BrainRunError, match='is kept by the backend "sklearn"; this works on those of "simfind"'):
        simfind.status(toys)


def test_a_whitening_is_fitted_anew_when_the_objects_are_others(photos, model, monkeypatch):
    from fiftyone_simfind import _gallery

    simfind.detect(photos.limit(2), model=model)
    simfind.build_index(photos, "objects")
    before = _gallery.load(photos, "simfind").whitening
    simfind.refresh(photos, model=model)
    assert _gallery.load(photos, "simfind").whitening is not None
    simfind.detect(photos, model=model)
    monkeypatch.setattr("fiftyone_simfind.backend.home.DRIFT", 0.0)
    simfind.refresh(photos, model=model)
    after = _gallery.load(photos, "simfind").whitening
    assert not np.array_equal(before.means[0], after.means[0])


def test_an_index_that_was_emptied_says_so_to_a_vector(indexed):
    indexed.clear_sample_field("objects")
    simfind.refresh(indexed)
    with pytest.raises(QueryError, match='index "simfind" of dataset ".*" is empty; give the objects in "objects"'):
        simfind.search(indexed, [1.0, 0.0])


def test_a_whitened_index_that_was_emptied_fills_again(shelf, model):
    shelf.clear_sample_field("objects")
    assert simfind.refresh(shelf, model=model).indexed == 0
    simfind.detect(shelf, model=model)
    assert simfind.status(shelf).not_indexed == 15
    status = simfind.refresh(shelf, model=model)
    assert (status.indexed, status.up_to_date) == (15, True)
