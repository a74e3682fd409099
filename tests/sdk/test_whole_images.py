"""Whole images as objects."""

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import CollectionError, FieldError, OptionError, _fields
from fiftyone_simfind.testing import FakeDetector


@pytest.fixture
def rooms(photos):
    """Photos of rooms; nobody knows what the last one shows."""
    rooms = ["kitchen", "hall", "kitchen", "hall", None]
    photos.add_sample_field("room", fo.EmbeddedDocumentField, embedded_doc_type=fo.Classification)
    photos.set_values("room", [fo.Classification(label=room) if room else None for room in rooms])
    photos.add_sample_field("name", fo.StringField)
    photos.set_values("name", rooms)
    return photos


@pytest.mark.parametrize("label_field", ["room", "room.label", "name"])
def test_every_image_gets_one_object_around_all_of_it_with_its_label(rooms, label_field):
    assert simfind.whole_images(rooms, label_field=label_field) == 5
    assert rooms.values("whole.detections.label") == [["kitchen"], ["hall"], ["kitchen"], ["hall"], [None]]
    assert rooms.values("whole.detections.bounding_box") == [[[0, 0, 1, 1]]] * 5
    assert all(isinstance(sample.whole.detections[0], fo.Detection) for sample in rooms)
    assert len(set(rooms.values("whole.detections.id", unwind=True))) == 5


def test_without_a_label_field_the_objects_have_none(rooms):
    assert simfind.whole_images(rooms, patches_field="all") == 5
    assert rooms.values("all.detections.label", unwind=True) == [None] * 5


def test_images_that_have_theirs_are_left_alone(rooms):
    assert simfind.whole_images(rooms.limit(2), label_field="room") == 2
    first = rooms.values("whole.detections.id")[:2]
    assert simfind.whole_images(rooms, label_field="room") == 3
    assert rooms.values("whole.detections.id")[:2] == first
    assert simfind.whole_images(rooms, label_field="room") == 0


def test_an_empty_list_of_objects_is_nothing(rooms):
    sample = rooms.first()
    sample["whole"] = fo.Detections()
    sample.save()
    assert simfind.whole_images(rooms, label_field="room") == 5


def test_a_view_that_hides_the_objects_gets_no_second_ones(rooms):
    simfind.whole_images(rooms, label_field="room")
    hidden = rooms.filter_labels("whole", fo.ViewField("label") == "kitchen", only_matches=False)
    assert simfind.whole_images(hidden, label_field="room") == 0
    assert rooms.count("whole.detections") == 5


def test_images_of_patches_can_be_given(rooms):
    simfind.detect(rooms.limit(2), model=FakeDetector())
    assert simfind.whole_images(rooms.to_patches("objects"), label_field="room") == 2


def test_one_slice_of_groups_can_be_given(rooms):
    group = fo.Group()
    dataset = fo.Dataset()
    dataset.add_group_field("group", default="left")
    paths = dict(zip(("left", "right"), rooms.values("filepath"), strict=False))
    dataset.add_samples([fo.Sample(filepath=path, group=group.element(name)) for name, path in paths.items()])
    right = dataset.select_group_slices("right")
    assert simfind.whole_images(right) == 1
    assert dataset.select_group_slices("right").count("whole.detections") == 1
    assert dataset.select_group_slices("left").count("whole.detections") == 0
    boxes = _fields.object_values(
        dataset, "whole.detections", "bounding_box"
    )  # though the dataset shows the other slice
    assert list(boxes.values()) == [[0, 0, 1, 1]]
    simfind.detect(right, model=FakeDetector())
    with pytest.raises(FieldError, match="3 objects that are not whole images"):
        simfind.whole_images(right, patches_field="objects")


def test_whole_images_are_searched_and_measured_as_objects_are(rooms):
    simfind.whole_images(rooms, label_field="room")
    simfind.embed(rooms, "whole", model=FakeDetector())
    simfind.build_index(rooms, "whole")
    target = rooms.first().whole.detections[0]
    found = simfind.search(rooms, target, scope="same_class")
    assert [match.sample_id for match in found] == [rooms.skip(2).first().id]
    assert simfind.evaluate(rooms, k=1).queries == 4


def test_a_field_that_is_not_there_is_an_error_that_names_those_that_are(rooms):
    with pytest.raises(FieldError, match=r'label_field="roomm" does not exist on dataset .* \(it has \[\'room\'\]\)'):
        simfind.whole_images(rooms, label_field="roomm")
    assert not rooms.has_field("whole")


@pytest.mark.parametrize(
    ("label_field", "kind"), [("objects", "Detections"), ("objects.detections.label", "StringField of each object")]
)
def test_a_label_field_of_another_kind_is_an_error(rooms, label_field, kind):
    simfind.detect(rooms, model=FakeDetector())
    with pytest.raises(FieldError, match=f'"{label_field}" is a {kind} on dataset'):
        simfind.whole_images(rooms, label_field=label_field)


def test_a_field_of_other_objects_is_left_as_it_is(rooms):
    simfind.detect(rooms, model=FakeDetector())
    with pytest.raises(FieldError, match='"objects" .* holds 15 objects that are not whole images; choose another'):
        simfind.whole_images(rooms, patches_field="objects")
    with pytest.raises(FieldError, match='"room" of dataset .* holds Classification'):
        simfind.whole_images(rooms, patches_field="room")


def test_labels_of_two_fields_are_not_mixed(rooms):
    simfind.whole_images(rooms.limit(2), label_field="room")
    with pytest.raises(FieldError, match="has 2 images with labels from 'room.label', not 'name'"):
        simfind.whole_images(rooms, label_field="name")


def test_samples_that_are_no_images_are_refused(tmp_path):
    dataset = fo.Dataset()
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "film.mp4")))
    with pytest.raises(CollectionError, match="video samples"):
        simfind.whole_images(dataset)
    with pytest.raises(CollectionError, match="is no dataset or view"):
        simfind.whole_images("rooms")


@pytest.fixture
def colours_of_rooms(tmp_path):
    """Six reddish kitchens and two bluish halls, indexed as whole images."""
    dataset = fo.Dataset()
    for number in range(8):
        room, color = ("hall", (0, 20 * number, 255)) if number % 4 == 3 else ("kitchen", (255, 20 * number, 0))
        Image.new("RGB", (32, 24), color).save(tmp_path / f"{number}.png")
        dataset.add_sample(fo.Sample(filepath=str(tmp_path / f"{number}.png"), room=room))
    simfind.whole_images(dataset, label_field="room")
    simfind.embed(dataset, "whole", model=FakeDetector())
    simfind.build_index(dataset, "whole")
    yield dataset
    dataset.delete()


@pytest.mark.parametrize(("scope", "rooms"), [("same_class", {"kitchen"}), ("other_classes", {"hall"})])
def test_a_photo_without_a_label_is_taken_for_what_most_of_its_nearest_are(colours_of_rooms, scope, rooms):
    photo = np.full((24, 32, 3), (250, 30, 5), np.uint8)
    whole = simfind.detect_query(photo, samples=colours_of_rooms, model=FakeDetector())[-1]
    assert simfind.search(colours_of_rooms, whole, k=5).vote() == "kitchen"
    assert {match.label for match in simfind.search(colours_of_rooms, whole, scope=scope)} == rooms
    halls = colours_of_rooms.match(fo.ViewField("room") == "hall")
    assert {match.label for match in simfind.search(halls, whole, scope="same_class")} == {"hall"}


def test_where_no_image_has_a_label_a_scope_is_still_an_error(rooms):
    simfind.whole_images(rooms)
    simfind.embed(rooms, "whole", model=FakeDetector())
    simfind.build_index(rooms, "whole")
    with pytest.raises(OptionError, match='scope="same_class" needs a query with a label'):
        simfind.search(rooms, [1.0, 0.0, 0.0], scope="same_class")
    assert simfind.search(rooms, [1.0, 0.0, 0.0]).vote() is None
