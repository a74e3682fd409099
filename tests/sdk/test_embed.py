import fiftyone as fo
import numpy as np
import pytest
import torch
import torchvision

import fiftyone_simfind as simfind
from fiftyone_simfind import showroom
from fiftyone_simfind.errors import FieldError
from fiftyone_simfind.models import load_embedder
from fiftyone_simfind.models.images import read
from fiftyone_simfind.showroom import dataset as rooms
from fiftyone_simfind.testing import FakeDetector, mean_color

BOXES = [[0.0, 0.0, 0.3, 0.4], [0.4, 0.2, 0.5, 0.5], [0.7, 0.7, 0.6, 0.6]]


@pytest.fixture
def boxed(photos):
    """Photos with hand-made boxes; the last photo has none."""
    for sample in photos:
        detections = [fo.Detection(label=f"thing {i}", bounding_box=box, note=i) for i, box in enumerate(BOXES)]
        sample["boxes"] = fo.Detections(detections=detections)
        sample.save()
    last = photos.last()
    last["boxes"] = None
    last.save()
    return photos


def vectors_of(dataset, field="boxes", attribute="embedding"):
    return {
        d.id: (sample.filepath, d, d.get_attribute_value(attribute, None))
        for sample in dataset
        if sample[field] is not None
        for d in sample[field].detections
    }


def test_every_box_gets_the_vector_of_its_own_pixels(boxed):
    simfind.embed(boxed, "boxes", model=FakeDetector())
    rows = vectors_of(boxed)
    assert len(rows) == 12
    for filepath, d, vector in rows.values():
        np.testing.assert_allclose(vector, mean_color(read(filepath), np.array(d.bounding_box)), atol=1e-6)


def test_nothing_else_on_the_objects_changes(boxed):
    def rest():
        return [
            {k: v for k, v in d.to_dict().items() if "embedding" not in k} for _, d, _ in vectors_of(boxed).values()
        ]

    before = rest()
    simfind.embed(boxed, "boxes", model=FakeDetector())
    assert rest() == before


def test_filtered_labels_are_embedded_alone_and_none_is_lost(boxed):
    view = boxed.filter_labels("boxes", fo.ViewField("label") == "thing 1")
    report = simfind.embed(view, "boxes", model=FakeDetector())
    assert report.objects == 4
    assert boxed.count("boxes.detections") == 12
    embedded = {d.label for _, d, vector in vectors_of(boxed).values() if vector is not None}
    assert embedded == {"thing 1"}


def test_overwriting_filtered_labels_loses_none(boxed):
    simfind.embed(boxed, "boxes", model=FakeDetector())
    view = boxed.filter_labels("boxes", fo.ViewField("label") == "thing 1")
    assert simfind.embed(view, "boxes", model=FakeDetector(), overwrite=True).objects == 4
    assert boxed.count("boxes.detections.embedding") == boxed.count("boxes.detections") == 12


def test_a_patches_view_embeds_its_own_objects(boxed):
    patches = boxed.to_patches("boxes").limit(5)
    assert simfind.embed(patches, "boxes", model=FakeDetector()).objects == 5
    done = {label_id for label_id, (_, _, vector) in vectors_of(boxed).items() if vector is not None}
    assert done == set(patches.values("id"))


def test_objects_with_a_vector_are_left_alone(boxed):
    simfind.embed(boxed.limit(1), "boxes", model=FakeDetector())
    detector = FakeDetector()
    report = simfind.embed(boxed, "boxes", model=detector)
    assert (detector.seen, report.objects, report.already_done) == (3, 9, 1)


@pytest.mark.parametrize("hidden", ["boxes.detections.embedding", "boxes"])
def test_vectors_that_a_view_hides_are_left_alone(boxed, hidden):
    simfind.embed(boxed, "boxes", model=FakeDetector())
    detector = FakeDetector()
    report = simfind.embed(boxed.exclude_fields(hidden), "boxes", model=detector)
    assert (detector.seen, report.already_done) == (0, 4)


def test_of_a_hidden_field_the_objects_that_were_chosen_before_are_embedded(boxed):
    view = boxed.filter_labels("boxes", fo.ViewField("label") == "thing 1").exclude_fields("boxes")
    simfind.embed(view, "boxes", model=FakeDetector())
    assert {d.label for _, d, vector in vectors_of(boxed).values() if vector is not None} == {"thing 1"}


def test_a_new_box_among_finished_ones_is_embedded(boxed):
    simfind.embed(boxed, "boxes", model=FakeDetector())
    sample = boxed.first()
    sample.boxes.detections.append(fo.Detection(label="new", bounding_box=[0.1, 0.1, 0.2, 0.2]))
    sample.save()
    assert simfind.embed(boxed, "boxes", model=FakeDetector()).objects == 1


def test_a_box_without_area_has_no_vector_and_is_counted(boxed):
    sample = boxed.first()
    sample.boxes.detections.append(fo.Detection(label="flat", bounding_box=[0.1, 0.1, 0.0, 0.2]))
    sample.boxes.detections.append(fo.Detection(label="outside", bounding_box=[1.1, 0.1, 0.1, 0.2]))
    sample.save()
    report = simfind.embed(boxed, "boxes", model=FakeDetector())
    assert (report.objects, report.without_vector) == (12, 2)
    assert {d.label for _, d, vector in vectors_of(boxed).values() if vector is None} == {"flat", "outside"}


def test_vectors_of_two_models_do_not_mix(boxed):
    simfind.embed(boxed.limit(1), "boxes", model=FakeDetector(name="one"))
    with pytest.raises(FieldError, match=r"holds vectors of one, not of two\. Choose another embeddings_field"):
        simfind.embed(boxed, "boxes", model=FakeDetector(name="two"))
    simfind.embed(boxed, "boxes", model=FakeDetector(name="two"), embeddings_field="embedding_two")
    assert boxed.count("boxes.detections.embedding_two") == 12


def test_overwriting_a_view_never_leaves_two_models_in_a_field(boxed):
    simfind.embed(boxed, "boxes", model=FakeDetector(name="one"))
    with pytest.raises(FieldError, match="would leave vectors of one on objects outside this view"):
        simfind.embed(boxed.limit(1), "boxes", model=FakeDetector(name="two"), overwrite=True)
    assert boxed.count("boxes.detections.embedding") == 12


def test_vectors_of_others_are_not_touched(boxed):
    boxed.set_values("boxes.detections.embedding", [[np.ones(2)] * 3] * 4 + [None], dynamic=True)
    with pytest.raises(FieldError, match="holds vectors that simfind did not make"):
        simfind.embed(boxed, "boxes", model=FakeDetector())


def test_a_field_that_is_not_there_is_named_with_those_that_are(boxed):
    with pytest.raises(
        FieldError, match=r'"objects" does not exist on dataset ".*"; its detection fields are \[\'boxes\'\]'
    ):
        simfind.embed(boxed, "objects", model=FakeDetector())


def test_a_dataset_without_detections_is_told_to_detect(photos):
    with pytest.raises(FieldError, match="run simfind.detect"):
        simfind.embed(photos, "objects", model=FakeDetector())


def test_an_object_detected_and_embedded_gets_the_same_vector():
    dataset = rooms.load(6)
    simfind.detect(dataset, model=showroom.WEIGHTS)
    simfind.embed(dataset, "objects", model=showroom.WEIGHTS, embeddings_field="again")
    rows = [d for sample in dataset for d in sample.objects.detections]
    assert len(rows) > 20
    assert min(float(d.embedding @ d.again) for d in rows) > 0.999
    dataset.delete()


def test_embedding_takes_the_image_size_of_the_field():
    dataset = rooms.load(2)
    simfind.detect(dataset, model=showroom.WEIGHTS, image_size=320)
    sample = dataset.first()
    sample.objects.detections.append(fo.Detection(label="mine", bounding_box=[0.1, 0.1, 0.2, 0.2]))
    sample.save()
    assert simfind.embed(dataset, "objects", model=showroom.WEIGHTS).objects == 1
    dataset.delete()


@pytest.mark.shared
def test_on_real_photos_vectors_stay_with_their_objects(shared_data):
    """Permute, filter and read again: every object keeps the vector that its own box gives."""
    weights = shared_data / "weights" / "yolo11n.pt"
    dataset = fo.Dataset()
    dataset.add_samples(
        [fo.Sample(filepath=str(p)) for p in sorted((shared_data / "data/coco/images").glob("*.jpg"))[:40]]
    )
    simfind.detect(dataset, model=weights)
    for sample in dataset:  # permute the objects of every sample, and drop some
        order = np.random.default_rng(51).permutation(len(sample.objects.detections))
        sample.objects.detections = [sample.objects.detections[i] for i in order if i % 5]
        sample.save()
    dataset.reload()
    simfind.embed(dataset.shuffle(seed=51), "objects", model=weights, embeddings_field="again")
    sure = dataset.filter_labels("objects", fo.ViewField("confidence") > 0.4)
    rows = [d for sample in sure for d in sample.objects.detections]
    assert len(rows) > 60
    assert min(float(d.embedding @ d.again) for d in rows) > 0.999
    dataset.delete()


def test_crops_of_many_images_and_threads_go_to_their_own_boxes(boxed, tmp_path):
    torch.manual_seed(51)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    model = f"resnet18:{tmp_path / 'resnet18.pth'}"
    report = simfind.embed(boxed, "boxes", model=model, batch_size=1, engine="torch")
    assert (report.objects, report.engine) == (12, "torch")
    embedder = load_embedder(model)
    for filepath, d, vector in vectors_of(boxed).values():
        ((alone,),) = embedder.embed([read(filepath)], [np.array([d.bounding_box])])
        np.testing.assert_allclose(vector, alone, atol=1e-4)
