"""Small pictures of objects."""

import io
import os
import threading
from pathlib import Path

import fiftyone as fo
import numpy as np
import pytest
from PIL import Image

import fiftyone_simfind as simfind
from fiftyone_simfind import FieldError, ImageError, OptionError, _thumbnails

RED, GREEN, BLUE, WHITE = (200, 30, 40), (20, 180, 60), (30, 50, 190), (255, 255, 255)
BOXES = {"red": [0.0, 0.0, 0.5, 0.5], "green": [0.5, 0.0, 0.5, 0.5], "blue": [0.0, 0.5, 0.5, 0.5], "all": [0, 0, 1, 1]}


@pytest.fixture(autouse=True)
def nothing_cached():
    _thumbnails._cache.clear()


def quarters(width=200, height=100):
    """Red, green, blue and white."""
    picture = Image.new("RGB", (width, height), WHITE)
    for place, color in (((0, 0), RED), ((width // 2, 0), GREEN), ((0, height // 2), BLUE)):
        picture.paste(color, (*place, place[0] + width // 2, place[1] + height // 2))
    return picture


@pytest.fixture
def pictures(tmp_path):
    """The quarters in files of several kinds, each with the same four objects, labelled as they look."""
    exif = Image.Exif()
    exif[0x0112] = 6  # has to be turned clockwise to be looked at
    quarters().save(tmp_path / "plain.png")
    quarters(1600, 800).save(tmp_path / "large.jpg", quality=95)
    quarters(1600, 800).rotate(90, expand=True).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    dataset = fo.Dataset()
    for name in ("plain.png", "large.jpg", "turned.jpg"):
        detections = [fo.Detection(label=label, bounding_box=box) for label, box in BOXES.items()]
        dataset.add_sample(fo.Sample(filepath=str(tmp_path / name), things=fo.Detections(detections=detections)))
    yield dataset
    dataset.delete()


def opened(content):
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "JPEG"
    return picture


def middle(content):
    picture = opened(content)
    return picture.getpixel((picture.width // 2, picture.height // 2))


def ids_of(dataset):
    return dataset.values("things.detections.id", unwind=True)


def is_grey(content):
    return np.ptp(np.asarray(opened(content)).reshape(-1, 3), axis=0).max() <= 2


def test_each_object_has_its_own_picture(pictures):
    ids, labels = ids_of(pictures), pictures.values("things.detections.label", unwind=True)
    found = simfind.thumbnails(pictures, ids[::-1], patches_field="things")
    assert list(found) == ids[::-1]
    for label_id, label in zip(ids, labels, strict=True):
        if label != "all":
            expected = {"red": RED, "green": GREEN, "blue": BLUE}[label]
            assert np.abs(np.subtract(middle(found[label_id]), expected)).max() < 12


@pytest.mark.parametrize("size", [8, 96, 300])
def test_the_longest_side_has_the_size_and_the_shape_is_kept(pictures, size):
    found = simfind.thumbnails(pictures, ids_of(pictures), patches_field="things", size=size)
    for content in found.values():
        assert opened(content).size == (size, size // 2)


def test_a_little_of_what_is_around_is_shown(pictures):
    """Twelve percent of the box, on each side where the image goes on."""
    red = opened(
        simfind.thumbnails(pictures, ids_of(pictures)[:1], patches_field="things", size=112)[ids_of(pictures)[0]]
    )
    assert np.abs(np.subtract(red.getpixel((90, 10)), RED)).max() < 25
    assert np.abs(np.subtract(red.getpixel((108, 10)), GREEN)).max() < 25


def test_a_large_jpeg_looks_as_if_it_had_been_decoded_in_full(pictures, monkeypatch):
    ids = ids_of(pictures)
    reduced = simfind.thumbnails(pictures, ids, patches_field="things")
    _thumbnails._cache.clear()
    monkeypatch.setattr(_thumbnails, "_reduce", lambda *_: None)
    full = simfind.thumbnails(pictures, ids, patches_field="things")
    for label_id in ids:
        apart = np.asarray(opened(reduced[label_id])).astype(int) - np.asarray(opened(full[label_id]))
        assert np.abs(apart).mean() < 2


def test_they_are_made_once(pictures, monkeypatch):
    first = simfind.thumbnails(pictures, ids_of(pictures), patches_field="things")
    monkeypatch.setattr(_thumbnails, "_crops", lambda *_: pytest.fail("made again"))
    assert simfind.thumbnails(pictures, ids_of(pictures), patches_field="things") == first


def test_an_edited_box_and_a_changed_file_show(pictures):
    label_id = ids_of(pictures)[0]
    sample = pictures.first()
    sample.things.detections[0].bounding_box = BOXES["blue"]
    sample.save()
    assert (
        np.abs(
            np.subtract(middle(simfind.thumbnails(pictures, [label_id], patches_field="things")[label_id]), BLUE)
        ).max()
        < 12
    )
    Image.new("RGB", (200, 100), GREEN).save(sample.filepath)
    os.utime(sample.filepath, ns=(1, 1))
    assert (
        np.abs(
            np.subtract(middle(simfind.thumbnails(pictures, [label_id], patches_field="things")[label_id]), GREEN)
        ).max()
        < 12
    )


@pytest.mark.parametrize(
    "damage",
    [
        os.remove,
        lambda path: Path(path).write_bytes(b""),
        lambda path: os.truncate(path, 100),
        lambda path: Path(path).write_text("<svg/>"),
        lambda path: (os.remove(path), os.mkdir(path)),
    ],
    ids=["gone", "empty", "cut off", "no image", "a folder"],
)
def test_an_image_that_cannot_be_read_gives_grey_squares(pictures, damage):
    damage(pictures.first().filepath)
    found = simfind.thumbnails(pictures, ids_of(pictures), patches_field="things", size=50)
    grey = [is_grey(content) for content in found.values()]
    assert grey == [True] * 4 + [False] * 8
    assert opened(next(iter(found.values()))).size == (50, 50)


def test_a_file_that_comes_back_is_looked_at_again(pictures):
    path, label_id = pictures.first().filepath, ids_of(pictures)[0]
    os.rename(path, path + ".away")
    assert is_grey(simfind.thumbnails(pictures, [label_id], patches_field="things")[label_id])
    os.rename(path + ".away", path)
    assert not is_grey(simfind.thumbnails(pictures, [label_id], patches_field="things")[label_id])


def test_ids_of_nothing_give_grey_squares(pictures):
    found = simfind.thumbnails(pictures, ["f" * 24, "no id", "$where", ""], patches_field="things")
    assert list(found) == ["f" * 24, "no id", "$where", ""]
    assert all(is_grey(content) for content in found.values())
    assert simfind.thumbnails(pictures, [], patches_field="things") == {}


@pytest.mark.parametrize(
    "box", [None, [2.0, 2.0, 0.1, 0.1], [0.5, 0.5, 0.0, 0.0], [-1, -1, 3, 3], [0.3, 0.3, -0.1, 0.1]]
)
def test_a_box_without_an_area_gives_some_picture(pictures, box):
    sample = pictures.first()
    sample.things.detections[0].bounding_box = box
    sample.save()
    label_id = sample.things.detections[0].id
    assert opened(simfind.thumbnails(pictures, [label_id], patches_field="things")[label_id]).width > 0


def test_a_view_and_its_patches_will_do(pictures):
    ids = ids_of(pictures)
    expected = simfind.thumbnails(pictures, ids[:2], patches_field="things")
    for samples in (pictures[1:], pictures.to_patches("things")):
        assert simfind.thumbnails(samples, ids[:2], patches_field="things") == expected


def test_several_threads_get_the_same(pictures):
    ids, found = ids_of(pictures), []
    threads = [
        threading.Thread(target=lambda: found.append(simfind.thumbnails(pictures, ids, patches_field="things")))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert all(one == found[0] for one in found)


def test_the_cache_is_bounded(pictures, monkeypatch):
    monkeypatch.setattr(_thumbnails, "MAX_CACHED", 5)
    simfind.thumbnails(pictures, ids_of(pictures), patches_field="things")
    assert len(_thumbnails._cache) == 5


@pytest.mark.parametrize("size", [0, 7, 1025, 96.0, "96", None])
def test_a_size_out_of_range_is_refused(pictures, size):
    with pytest.raises(OptionError, match="must be a whole number from 8 to 1,024"):
        simfind.thumbnails(pictures, [], patches_field="things", size=size)
    with pytest.raises(OptionError, match="must be a whole number from 8 to 1,024"):
        simfind.crop(quarters(), BOXES["red"], size=size)


def test_a_field_that_is_not_there_is_named(pictures):
    with pytest.raises(FieldError, match='"nothing" does not exist'):
        simfind.thumbnails(pictures, [], patches_field="nothing")


def test_a_crop_is_like_the_thumbnail_of_the_same_place(pictures):
    expected = simfind.thumbnails(pictures, ids_of(pictures)[:4], patches_field="things", size=60)
    for box, content in zip(BOXES.values(), expected.values(), strict=True):
        assert simfind.crop(pictures.first().filepath, box, size=60) == content
        assert simfind.crop(np.asarray(quarters()), box, size=60) == content


@pytest.mark.parametrize("box", [None, [], [0, 0, 1], [0, 0, 1, "x"], [0, 0, 1, float("inf")], "0011", 7])
def test_a_crop_needs_a_box(box):
    with pytest.raises(OptionError, match="box=.* must be four numbers"):
        simfind.crop(quarters(), box)


def test_a_crop_needs_an_image():
    with pytest.raises(ImageError, match="is a text file"):
        simfind.crop(b"nothing", BOXES["red"])
