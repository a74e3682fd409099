"""What a dataset has, and what comes next."""

import json

import fiftyone as fo
import numpy as np
import pytest

import fiftyone_simfind as simfind
from fiftyone_simfind import BrainRunError, CollectionError, FieldError
from fiftyone_simfind import _overview as ov
from fiftyone_simfind.testing import FakeDetector


def step(dataset, field="objects"):
    return simfind.overview(dataset).field(field).next_step


def test_an_empty_dataset_is_to_be_given_objects():
    dataset = fo.Dataset()
    found = simfind.overview(dataset)
    assert (found.samples, found.fields, found.indexes, found.visualizations) == (0, [], [], [])
    assert found.next_step == "detect"
    dataset.delete()


def test_each_step_is_the_one_after_what_is_there(photos):
    assert simfind.overview(photos).next_step == "detect"
    simfind.detect(photos, model=FakeDetector())
    assert step(photos) == "build_index"
    index = simfind.build_index(photos, "objects")
    assert step(photos) == "visualize"
    simfind.visualize(photos, method="pca")
    found = simfind.overview(photos)
    assert (step(photos), found.next_step) == (None, None)
    (vectors,) = found.field("objects").vectors
    assert (found.field("objects").objects, vectors.attribute, vectors.count) == (15, "embedding", 15)
    assert (vectors.model, vectors.weights) == ("fake", None)
    (listed,) = found.indexes
    assert (listed.brain_key, listed.patches_field, listed.embeddings_field) == ("simfind", "objects", "embedding")
    assert (listed.backend, listed.size, listed.stale) == ("simfind", index.total_index_size, False)
    assert listed.status == simfind.status(photos)
    assert found.visualizations == [ov.VisualizationOverview("simfind_pca", "pca", "objects", "simfind")]


def test_boxes_without_vectors_are_to_be_embedded(toys):
    toys.clone_sample_field("objects", "boxes")
    toys.delete_sample_field("boxes.detections.embedding")
    assert step(toys, "boxes") == "embed"
    assert simfind.overview(toys).next_step == "build_index"  # of "objects", which has come further
    assert simfind.overview(toys).best.patches_field == "objects"


def test_objects_that_a_stopped_run_left_are_to_be_embedded_first(photos):
    simfind.detect(photos, model=FakeDetector())
    sample = photos.first()
    sample.objects.detections.append(fo.Detection(label="new", bounding_box=[0.1, 0.1, 0.2, 0.2]))
    sample.save()
    assert step(photos) == "embed"
    simfind.embed(photos, "objects", model=FakeDetector())
    assert step(photos) == "build_index"


def test_objects_that_can_have_no_vector_hold_nothing_up(photos):
    simfind.detect(photos, model=FakeDetector(boxes=[(0, 0, 1, 1), (2, 2, 0.1, 0.1)], labels=["in", "out"]))
    (vectors,) = simfind.overview(photos).field("objects").vectors
    assert (vectors.count, vectors.impossible) == (5, 5)
    assert step(photos) == "build_index"


def test_a_change_calls_for_a_refresh(photos):
    simfind.detect(photos, model=FakeDetector())
    simfind.build_index(photos, "objects")
    sample = photos.first()
    sample.objects.detections[0].bounding_box = [0.1, 0.1, 0.2, 0.2]
    sample.save()
    found = simfind.overview(photos)
    assert (found.next_step, found.indexes[0].stale, found.indexes[0].status.edited) == ("refresh", True, 1)
    simfind.refresh(photos, model=FakeDetector())
    assert step(photos) == "visualize"


def test_very_many_changes_are_told_without_being_looked_at(photos, monkeypatch):
    simfind.detect(photos, model=FakeDetector())
    simfind.build_index(photos, "objects")
    monkeypatch.setattr(ov, "MANY", 2)
    assert step(photos) == "visualize"
    for sample in photos.iter_samples(autosave=True):
        sample["seen"] = True
    (index,) = simfind.overview(photos).indexes
    assert (index.stale, index.status, step(photos)) == (True, None, "refresh")
    simfind.refresh(photos, model=FakeDetector())
    assert step(photos) == "visualize"


def test_scores_are_no_change_of_very_many(indexed, ids, monkeypatch):
    monkeypatch.setattr(ov, "MANY", 2)
    for query in ids[:2]:
        simfind.sort_by_similarity(indexed, query, score_field="similarity", k=1)
        (index,) = simfind.overview(indexed).indexes
        assert (index.stale, index.status.up_to_date) == (False, True)


def test_vectors_of_others_are_counted_too(toys):
    toys.add_sample_field("objects.detections.other", fo.VectorField)
    first = toys.values("objects.detections.id", unwind=True)[0]
    toys.set_label_values("objects.detections.other", {first: np.ones(3)})
    found = {v.attribute: (v.count, v.model) for v in simfind.overview(toys).field("objects").vectors}
    assert found == {"embedding": (8, None), "other": (1, None)}


def test_brain_s_own_index_is_listed_with_what_is_known(toys):
    simfind.build_index(toys, "objects", backend="sklearn")
    (index,) = simfind.overview(toys).indexes
    assert (index.backend, index.embeddings_field, index.size, index.stale) == ("sklearn", "embedding", None, None)
    assert step(toys) == "visualize"


def test_too_few_objects_need_no_map(toys):
    simfind.build_index(toys[:1].clone("few"), "objects")
    few = fo.load_dataset("few")
    assert step(few) is None
    few.delete()


def test_a_view_and_patches_tell_of_the_whole_dataset(indexed):
    expected = simfind.overview(indexed)
    assert simfind.overview(indexed[:1]) == expected
    assert simfind.overview(indexed.to_patches("objects")) == expected


def test_it_is_plain_json_and_can_be_read(indexed):
    found = simfind.overview(indexed)
    told = json.loads(json.dumps(found.to_dict()))
    assert told["fields"][0]["next_step"] == told["next_step"] == "visualize"
    assert told["indexes"][0]["status"]["indexed"] == 8
    assert 'index "simfind" of "objects" (simfind), 8 objects' in str(found)
    assert '"objects": 8 objects; 8 vectors "embedding" (None); next: visualize' in str(found)


def test_nothing_is_written(indexed):
    before = (indexed.get_field_schema(flat=True).keys(), indexed.max("last_modified_at"))
    simfind.overview(indexed)
    assert (indexed.get_field_schema(flat=True).keys(), indexed.max("last_modified_at")) == before


def test_what_is_no_dataset_is_refused():
    with pytest.raises(CollectionError, match="is no dataset or view"):
        simfind.overview("objects")


def test_a_deleted_index_is_gone_and_its_vectors_stay(indexed):
    simfind.delete_index(indexed)
    assert indexed.list_brain_runs() == []
    assert indexed.count("objects.detections.embedding") == 8
    with pytest.raises(BrainRunError, match='"simfind" is no brain run'):
        simfind.delete_index(indexed)
    simfind.build_index(indexed, "objects")
    assert len(simfind.search(indexed, indexed.first().objects.detections[0])) == 7


def test_a_deleted_index_leaves_nothing_on_disk(indexed):
    from fiftyone_simfind import _gallery

    folder = _gallery.our_index(indexed, "simfind").home.folder
    assert folder.exists()
    simfind.delete_index(indexed.limit(1))
    assert not folder.exists()


def test_a_deleted_index_of_a_field_that_was_renamed_leaves_nothing_on_disk(indexed, caplog):
    from fiftyone_simfind import _gallery

    folder = _gallery.our_index(indexed, "simfind").home.folder
    indexed.rename_sample_field("objects", "things")
    simfind.delete_index(indexed)
    assert not folder.exists()
    assert caplog.text == ""


def test_only_indexes_of_objects_are_deleted(indexed):
    simfind.visualize(indexed, method="pca")
    with pytest.raises(BrainRunError, match="is no similarity index of objects"):
        simfind.delete_index(indexed, brain_key="simfind_pca")
    assert indexed.list_brain_runs() == ["simfind", "simfind_pca"]


def test_scores_are_cleared_with_their_attribute(indexed, ids):
    simfind.sort_by_similarity(indexed, ids[0], score_field="similarity", k=3)
    assert simfind.overview(indexed).field("objects").score_fields == ["similarity"]
    assert simfind.clear_scores(indexed, "objects", "similarity") == 3
    assert indexed.get_field("objects.detections.similarity") is None
    assert simfind.overview(indexed).field("objects").score_fields == []
    assert indexed.count("objects.detections") == 8
    simfind.sort_by_similarity(indexed, ids[0], score_field="similarity", k=2)
    assert simfind.clear_scores(indexed.limit(1), "objects", "similarity") == 2


@pytest.mark.parametrize("attribute", ["label", "embedding", "bounding_box", "id"])
def test_what_is_no_score_is_not_cleared(indexed, attribute):
    with pytest.raises(FieldError, match="holds something else than scores"):
        simfind.clear_scores(indexed, "objects", attribute)
    assert indexed.count(f"objects.detections.{attribute}") >= 7


def test_a_score_field_that_is_not_there_is_named(indexed, ids):
    simfind.sort_by_similarity(indexed, ids[0], score_field="similarity")
    with pytest.raises(FieldError, match=r'no attribute "score"; those with scores are \[\'similarity\'\]'):
        simfind.clear_scores(indexed, "objects", "score")


def test_an_index_has_another_version_after_a_change_and_after_nothing_else(toys):
    def version():
        return simfind.overview(toys).indexes[0].version

    simfind.build_index(toys, "objects")
    first = version()
    simfind.refresh(toys)
    assert version() == first is not None
    sample = toys.first()
    del sample.objects.detections[0]
    sample.save()
    simfind.refresh(toys)
    assert version() != first


def test_what_else_is_kept_with_the_dataset_outlives_changes_of_an_index(toys):
    from fiftyone.operators.store import ExecutionStore

    store = ExecutionStore.create("simfind", dataset_id=toys._doc.id)
    store.set("job:build_index", {"state": "running"})
    simfind.build_index(toys, "objects")
    simfind.build_index(toys, "objects", overwrite=True)
    assert store.get("job:build_index") == {"state": "running"}


def test_images_that_a_stopped_detection_has_not_looked_at_come_first(toys):
    """Other fields may well have images without them: boxes of a person's, say."""
    toys.add_sample_field("found", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    simfind.detect(toys[:3], label_field="found", model=FakeDetector(), progress=False)
    seen = simfind.overview(toys)
    assert (seen.field("found").unseen, seen.field("found").next_step) == (1, "detect")
    simfind.build_index(toys, "found")
    assert simfind.overview(toys).field("found").next_step == "visualize"
    toys.set_values("objects", [None, *toys.values("objects")[1:]])
    assert simfind.overview(toys).field("objects").unseen == 0
