"""``examples/shoes.py`` on scenes of the showroom, and on a folder of photos."""

import json
import re

import pytest
from PIL import Image

from fiftyone_simfind import showroom


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def printed(run_example, mobilenet, out):
    done = run_example("shoes", "--scenes", 16, "--crops", mobilenet, "-k", 4, "--out", out)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_only_shoes_are_kept_and_the_shoes_of_the_photo_are_searched_for(printed):
    detected, embedded = (int(count) for count in re.findall(r"^(\d+) objects in \d+ images", printed, re.MULTILINE))
    assert detected == embedded < 16 * 2
    assert int(re.search(r"^(\d+) found in the photo", printed, re.MULTILINE)[1]) == 2


def test_each_photo_comes_once_by_its_highest_score(printed, out):
    rows = re.findall(r"^(-?\d\.\d{3})  like shoe [12]: sneaker at \[.*\]  (.*\.jpg)$", printed, re.MULTILINE)
    scores = [float(score) for score, _ in rows]
    assert scores == sorted(scores, reverse=True)
    assert len({path for _, path in rows}) == len(rows) == 4
    listed = json.loads((out / "shoes.json").read_text())
    assert [found["photo"] for found in listed] == [path for _, path in rows]
    for found in listed:
        assert found["shoe"] in (1, 2)
        assert found["label"] == "sneaker"
        assert len(found["bounding_box"]) == 4


def test_the_picture_has_a_row_for_each_shoe(printed, out):
    with Image.open(out / "shoes.png") as picture:
        assert picture.width > 700
        assert picture.height > 400


def test_own_photos_are_searched_and_a_photo_without_shoes_is_told(run_example, tmp_path):
    """With the detector's own vectors, as where the weights of the other network cannot be had."""
    showroom.write(tmp_path / "photos", 8)
    Image.new("RGB", (320, 240), "white").save(tmp_path / "blank.png")
    options = ["--model", "showroom.pt", "--crops", "showroom.pt", "--photo", tmp_path / "blank.png", "--out", tmp_path]
    done = run_example("shoes", tmp_path / "photos", *options)
    assert done.returncode == 1
    assert "No sneaker in the photo" in done.stderr


def test_own_photos_need_a_photo_of_shoes(run_example, tmp_path):
    showroom.write(tmp_path / "photos", 1)
    done = run_example("shoes", tmp_path / "photos", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "Give a photo of the shoes to search for with --photo"


def test_where_the_crops_network_cannot_be_had_the_detector_s_vectors_are_searched(run_example, tmp_path):
    done = run_example("shoes", "--scenes", 24, "--crops", "resnet50:/nowhere.pth", "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "stands in" in done.stderr
    assert "by the look in the detector's own vectors" in done.stdout


@pytest.mark.shared
def test_footwear_of_product_photos_is_found(run_example, shared_data, tmp_path):
    import csv

    with open(shared_data / "data" / "fashion" / "labels.csv", newline="") as file:
        shoes = [row["file"] for row in csv.DictReader(file) if row["class"] == "Casual Shoes|Red"]
    (tmp_path / "photos").mkdir()
    for path in shoes[1:]:
        source = shared_data / "data" / "fashion" / path
        (tmp_path / "photos" / source.name).symlink_to(source)
    weights = shared_data / "weights"
    models = ["--model", weights / "yolov8n-oiv7.pt", "--crops", f"mobilenet_v2:{weights / 'mobilenet_v2.pth'}"]
    query = shared_data / "data" / "fashion" / shoes[0]
    folders = [tmp_path / "photos", "--out", tmp_path]
    done = run_example("shoes", *folders, *models, "--classes", "Footwear", "--confidence", 0.1, "--photo", query)
    assert done.returncode == 0, done.stderr[-2000:]
    assert re.search(r"^\d+ found in the photo", done.stdout, re.MULTILINE)
