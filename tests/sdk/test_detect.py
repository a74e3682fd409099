import zlib

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.errors import CollectionError, FieldError, ModelError, OptionError
from fiftyone_simfind.models.images import read
from fiftyone_simfind.testing import FakeDetector, mean_color


def objects_of(dataset, field="objects"):
    return [(sample.filepath, d) for sample in dataset for d in sample[field].detections]


def test_every_object_is_written_with_its_own_vector(photos):
    simfind.detect(photos, model=FakeDetector())
    found = objects_of(photos)
    assert len(found) == 15
    for filepath, d in found:
        np.testing.assert_allclose(d.embedding, mean_color(read(filepath), np.array(d.bounding_box)), atol=1e-6)


def test_labels_boxes_and_confidences_are_written(photos):
    simfind.detect(photos, model=FakeDetector())
    for sample in photos:
        assert [d.label for d in sample.objects.detections] == ["left", "top", "bottom"]
        assert [d.confidence for d in sample.objects.detections] == [0.9, 0.8, 0.7]
        assert sample.objects.detections[1].bounding_box == [0.5, 0.0, 0.5, 0.5]


def test_objects_are_stored_as_fiftyone_stores_them(photos):
    """But for the order of the keys, the ids, and that vectors are not made smaller."""
    simfind.detect(photos, model=FakeDetector(boxes=[(0, 0, 0.5, 1), (1, 1, 1, 1)], labels=["mug", "nowhere"]))
    written = [fo.Detections(detections=[d.copy() for d in sample.objects.detections]) for sample in photos]
    photos.set_values("again", written)
    for document in photos._sample_collection.find():
        for objects in (document["objects"], document["again"]):
            for detection in objects["detections"]:
                assert detection.pop("_id")
                if "embedding" in detection:
                    detection["embedding"] = zlib.decompress(detection["embedding"])
        assert document["objects"] == document["again"]


def test_samples_in_memory_get_their_objects(photos):
    sample = photos.first()
    before = sample.last_modified_at
    simfind.detect(photos, model=FakeDetector())
    assert len(sample.objects.detections) == 3
    assert sample.last_modified_at > before


def test_vectors_are_declared_so_that_brain_sees_them(photos):
    simfind.detect(photos, model=FakeDetector())
    assert isinstance(photos.get_field("objects.detections.embedding"), fo.VectorField)


def test_vectors_are_stored_as_float32(photos):
    simfind.detect(photos, model=FakeDetector())
    assert {d.embedding.dtype for _, d in objects_of(photos)} == {np.dtype("float32")}


def test_the_report_counts(photos):
    report = simfind.detect(photos, model=FakeDetector())
    assert (report.images, report.objects, report.already_done, report.failures) == (5, 15, 0, {})
    assert "15 objects in 5 images" in str(report)


def test_the_field_remembers_its_model(photos):
    simfind.detect(photos, model=FakeDetector(name="the model"))
    assert photos.get_field("objects.detections.embedding").info["simfind"]["model"] == "the model"


def test_an_image_without_objects_has_an_empty_field(photos):
    simfind.detect(photos, model=FakeDetector(), confidence_thresh=0.95)
    assert [len(sample.objects.detections) for sample in photos] == [0] * 5


def test_finished_images_are_left_alone(photos):
    simfind.detect(photos.limit(2), model=FakeDetector())
    before = photos.values("objects.detections.id")[:2]
    detector = FakeDetector()
    report = simfind.detect(photos, model=detector)
    assert (detector.seen, report.images, report.already_done) == (3, 3, 2)
    assert photos.values("objects.detections.id")[:2] == before


def test_images_without_objects_count_as_finished(photos):
    simfind.detect(photos, model=FakeDetector(), confidence_thresh=0.95)
    assert simfind.detect(photos, model=FakeDetector(), confidence_thresh=0.95).already_done == 5


def test_a_view_limits_the_images(photos):
    simfind.detect(photos.skip(3), model=FakeDetector())
    assert photos.count("objects") == 2


@pytest.mark.parametrize(
    "hide",
    [
        lambda dataset: dataset.select_fields(),
        lambda dataset: dataset.exclude_fields("objects"),
        lambda dataset: dataset.limit(5).select_fields("filepath").skip(0),
        lambda dataset: dataset.set_field("objects", None),
    ],
)
def test_finished_images_are_left_alone_by_a_view_that_hides_their_objects(photos, hide):
    simfind.detect(photos.limit(2), model=FakeDetector())
    before = photos.values("objects.detections.id")[:2]
    report = simfind.detect(hide(photos), model=FakeDetector())
    assert (report.images, report.already_done) == (3, 2)
    assert photos.values("objects.detections.id")[:2] == before


def test_overwriting_replaces_what_a_view_hides(photos):
    simfind.detect(photos, model=FakeDetector())
    report = simfind.detect(photos.select_fields(), model=FakeDetector(name="other"), overwrite=True)
    assert report.images == 5


def test_a_view_whose_images_depend_on_a_hidden_field_is_refused(photos):
    simfind.detect(photos.limit(2), model=FakeDetector())
    view = photos.exclude_fields("objects").match(fo.ViewField("objects") == None)  # noqa: E711
    with pytest.raises(CollectionError, match=r"ExcludeFields.*give a view without them"):
        simfind.detect(view, model=FakeDetector())


def test_a_run_that_is_stopped_keeps_what_it_found(photos):
    class Stops(FakeDetector):
        def detect(self, images, **options):
            if self.seen >= 2:
                raise KeyboardInterrupt
            return super().detect(images, **options)

    with pytest.raises(KeyboardInterrupt):
        simfind.detect(photos, model=Stops(), batch_size=1)
    assert photos.count("objects") == 2
    assert simfind.detect(photos, model=FakeDetector()).already_done == 2


def test_a_broken_image_is_named_and_the_rest_is_done(photos, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    photos.add_sample(fo.Sample(filepath=str(tmp_path / "broken.jpg")))
    photos.add_sample(fo.Sample(filepath=str(tmp_path / "gone.jpg")))
    report = simfind.detect(photos, model=FakeDetector())
    assert report.images == 5
    assert set(report.failures) == {str(tmp_path / "broken.jpg"), str(tmp_path / "gone.jpg")}
    assert photos.match(fo.ViewField("objects") == None).count() == 2  # noqa: E711


def test_a_failure_stops_the_run_when_asked_to(photos, tmp_path):
    photos.add_sample(fo.Sample(filepath=str(tmp_path / "gone.jpg")))
    with pytest.raises(FileNotFoundError, match="gone.jpg"):
        simfind.detect(photos, model=FakeDetector(), skip_failures=False)


def test_one_image_that_the_model_cannot_take_stops_no_other(photos, tmp_path):
    class Chokes(FakeDetector):
        def detect(self, images, **options):
            if any(image.shape[0] == 7 for image in images):
                raise RuntimeError("seven rows")
            return super().detect(images, **options)

    Image.new("RGB", (7, 7)).save(tmp_path / "seven.png")
    photos.add_sample(fo.Sample(filepath=str(tmp_path / "seven.png")))
    report = simfind.detect(photos, model=Chokes())
    assert (report.images, list(report.failures.values())) == (5, ["RuntimeError: seven rows"])


def test_a_model_that_takes_no_image_stops_the_run(photos):
    class Broken(FakeDetector):
        def detect(self, images, **options):
            raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        simfind.detect(photos, model=Broken())


def test_labels_of_others_are_not_touched(photos):
    for sample in photos:
        sample["ground_truth"] = fo.Detections(detections=[fo.Detection(label="mine", bounding_box=[0, 0, 1, 1])])
        sample.save()
    with pytest.raises(
        FieldError, match='"ground_truth" of dataset ".*" already holds labels that simfind.detect did not'
    ):
        simfind.detect(photos, label_field="ground_truth", model=FakeDetector())
    assert set(photos.values("ground_truth.detections.label", unwind=True)) == {"mine"}


def test_other_settings_do_not_mix(photos):
    simfind.detect(photos, model=FakeDetector())
    with pytest.raises(FieldError, match=r"was detected with confidence_thresh=0.25, now 0.5\. .* overwrite=True"):
        simfind.detect(photos, model=FakeDetector(), confidence_thresh=0.5)
    assert photos.count("objects.detections") == 15


def test_vectors_in_another_attribute_are_not_taken_for_done(photos):
    simfind.detect(photos, model=FakeDetector())
    with pytest.raises(FieldError, match="was detected with embeddings_field='embedding', now 'other'"):
        simfind.detect(photos, model=FakeDetector(), embeddings_field="other")


def test_a_run_does_not_go_on_among_vectors_of_another_model(photos):
    simfind.detect(photos.limit(2), model=FakeDetector(name="one"))
    simfind.embed(photos, "objects", model=FakeDetector(name="two"), overwrite=True)
    with pytest.raises(FieldError, match="holds vectors of two, not of one"):
        simfind.detect(photos, model=FakeDetector(name="one"))


def test_overwriting_a_view_loses_nothing_when_vectors_of_another_model_would_stay(photos):
    simfind.detect(photos, model=FakeDetector(name="one"))
    simfind.embed(photos, "objects", model=FakeDetector(name="two"), overwrite=True)
    with pytest.raises(FieldError, match="would leave vectors of two on objects outside this view"):
        simfind.detect(photos.limit(2), model=FakeDetector(name="one"), overwrite=True)
    assert photos.count("objects.detections.embedding") == 15


def test_overwriting_loses_nothing_when_the_vectors_have_no_place(photos):
    sample = photos.first()
    sample["objects"] = fo.Detections(detections=[fo.Detection(label="mine", bounding_box=[0, 0, 1, 1], note="text")])
    sample.save()
    photos.add_sample_field("objects.detections.note", fo.StringField)
    with pytest.raises(FieldError, match='"objects.detections.note" of dataset ".*" is a StringField, no VectorField'):
        simfind.detect(photos, model=FakeDetector(), embeddings_field="note", overwrite=True)
    assert photos.values("objects.detections.label", unwind=True) == ["mine"]


def test_overwrite_replaces(photos):
    simfind.detect(photos, model=FakeDetector())
    simfind.detect(photos, model=FakeDetector(name="other"), confidence_thresh=0.85, overwrite=True)
    assert photos.count("objects.detections") == 5
    assert photos.get_field("objects").info["simfind"]["model"] == "other"


def test_overwriting_a_view_never_leaves_two_models_in_a_field(photos):
    simfind.detect(photos, model=FakeDetector())
    with pytest.raises(FieldError, match="would leave 3 samples outside this view with labels of another model"):
        simfind.detect(photos.limit(2), model=FakeDetector(name="other"), overwrite=True)
    assert photos.count("objects.detections") == 15


def test_overwriting_a_view_never_leaves_two_settings_in_a_field(photos):
    simfind.detect(photos, model=FakeDetector())
    with pytest.raises(FieldError, match="would leave 4 samples outside this view with labels found with other settin"):
        simfind.detect(photos.limit(1), model=FakeDetector(), confidence_thresh=0.85, overwrite=True)
    assert photos.get_field("objects").info["simfind"]["confidence_thresh"] == 0.25
    assert simfind.detect(photos.limit(1), model=FakeDetector(), overwrite=True).images == 1


def test_a_field_of_another_type_is_refused(photos):
    photos.add_sample_field("objects", fo.StringField)
    with pytest.raises(FieldError, match='"objects" of dataset ".*" holds StringField; give a field of Detections'):
        simfind.detect(photos, model=FakeDetector())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(confidence_thresh=1.5), "confidence_thresh=1.5 must lie in"),
        (dict(batch_size=0), "batch_size=0 must be at least 1"),
        (dict(num_workers=-1), "num_workers=-1 must not be negative"),
    ],
)
def test_options_out_of_range_are_refused(photos, options, message):
    with pytest.raises(OptionError, match=message):
        simfind.detect(photos, model=FakeDetector(), **options)
    assert not photos.has_field("objects")


def test_unknown_classes_are_refused_before_anything_is_written(photos):
    with pytest.raises(OptionError, match=r"does not know the classes \['persn'\]"):
        simfind.detect(photos, model="showroom.pt", classes="persn")
    assert not photos.has_field("objects")


def test_one_class_needs_no_list(photos):
    simfind.detect(photos, model=FakeDetector(), classes="top")
    assert set(photos.values("objects.detections.label", unwind=True)) == {"top"}


def test_a_field_name_that_fiftyone_cannot_take_is_refused(photos):
    with pytest.raises(OptionError, match='label_field="my objects.x" must be letters, digits and underscores'):
        simfind.detect(photos, model=FakeDetector(), label_field="my objects.x")


def test_an_embedder_that_finds_nothing_is_refused(photos):
    class OnlyEmbeds:
        name = "only embeds"

        def embed(self, images, boxes):
            raise NotImplementedError

    with pytest.raises(ModelError, match="only embeds gives vectors but finds no objects"):
        simfind.detect(photos, model=OnlyEmbeds())


def test_samples_must_be_a_collection():
    with pytest.raises(CollectionError, match="samples='x' is no dataset or view"):
        simfind.detect("x", model=FakeDetector())


def test_videos_are_refused_with_a_way_out(tmp_path):
    dataset = fo.Dataset()
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.mp4")))
    with pytest.raises(CollectionError, match="has video samples; only images can be searched"):
        simfind.detect(dataset, model=FakeDetector())


def test_progress_is_told_to_a_function(photos):
    told = []
    simfind.detect(photos, model=FakeDetector(), batch_size=2, progress=lambda bar: told.append(bar.iteration))
    assert told[-1] == 5


@pytest.mark.parametrize("num_workers", [0, 1, 3])
def test_the_number_of_readers_changes_nothing(photos, num_workers):
    simfind.detect(photos, model=FakeDetector(), num_workers=num_workers, batch_size=2)
    for filepath, d in objects_of(photos):
        np.testing.assert_allclose(d.embedding, mean_color(read(filepath), np.array(d.bounding_box)), atol=1e-6)


def test_a_few_images_are_done_by_torch_before_a_faster_engine_is_found(photos):
    assert simfind.detect(photos, model=showroom.WEIGHTS, image_size=64).engine == "torch"


def test_an_unknown_engine_is_refused_before_anything_is_lost(photos):
    simfind.detect(photos, model=FakeDetector())
    with pytest.raises(OptionError, match='engine="gpu" must be one of'):
        simfind.detect(photos, model=FakeDetector(), engine="gpu", overwrite=True)
    assert photos.count("objects.detections") == 15
