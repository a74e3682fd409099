"""``examples/fashion.py`` on photos of the showroom's things, and on folders of one's own."""

import csv
import re

import pytest
from PIL import Image

from fiftyone_simfind.showroom.catalogue import catalogue
from fiftyone_simfind.showroom.products import photo

TIME = r"^ +([\d,]+\.\d{3}) ms  "


def milliseconds(printed):
    """Of a query that computes everything, of one with saved vectors, of a look into the table."""
    return [float(number.replace(",", "")) for number in re.findall(TIME, printed, re.MULTILINE)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two photos of each of 14 things, with a list of what they are."""
    folder = tmp_path_factory.mktemp("shop")
    rows = [("file", "sort", "shade")]
    for thing in catalogue()[::8]:
        for number in range(2):
            rows.append((f"{thing.name}-{number}.jpg", thing.category, thing.color))
            photo(thing, number, size=96).save(folder / rows[-1][0])
    with open(folder / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder


@pytest.fixture(scope="module")
def runs(run_example, mobilenet, shop, tmp_path_factory):
    """A first run and a second one, and where they wrote."""
    out = tmp_path_factory.mktemp("out")
    arguments = [shop, "--column", "sort", "--model", mobilenet, "--queries", 20, "--out", out]
    runs = [run_example("fashion", *arguments) for _ in range(2)]
    assert all(done.returncode == 0 for done in runs), [done.stderr[-2000:] for done in runs]
    return [done.stdout for done in runs], out


def test_a_second_run_finds_what_the_first_has_saved(runs):
    (first, second), _ = runs
    assert "28 objects in 28 images" in first
    assert "28 images were done before" in second
    assert "(measured at the first run)" not in first
    assert "(measured at the first run)" in second


def test_saved_vectors_and_the_table_find_the_same_and_are_faster_each_than_the_way_before(runs):
    for printed in runs[0]:
        assert "both find the same: yes" in printed
        everything, search, look = milliseconds(printed)
        assert everything > search > look


def test_precision_is_told(runs):
    row = re.search(r"^ +P@k +(\d\.\d{3}) +(\d\.\d{3})", runs[0][0], re.MULTILINE)
    assert 0 < float(row[1]) <= 1


def test_the_table_and_a_picture_are_written(runs):
    _, out = runs
    with open(out / "fashion.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 28 * 5
    assert {row["label"] for row in rows} == {thing.category for thing in catalogue()}
    with Image.open(out / "fashion.png") as picture:
        assert picture.height > 500


def test_new_photos_and_another_column_are_taken_in(runs, run_example, mobilenet, shop):
    _, out = runs
    listed = (shop / "labels.csv").read_text()
    try:
        photo(catalogue()[1], 0, size=96).save(shop / "new.jpg")
        (shop / "labels.csv").write_text(f"{listed.rstrip()}\nnew.jpg,new sort,new shade\n")
        done = run_example("fashion", shop, "--column", "shade", "--model", mobilenet, "--queries", 3, "--out", out)
    finally:
        (shop / "labels.csv").write_text(listed)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1 objects in 1 images" in done.stdout
    assert "both find the same: yes" in done.stdout
    assert f"Written to {out}: fashion.csv, fashion.png" in done.stdout
    with open(out / "fashion.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 29 * 5
    assert {row["label"] for row in rows} == {thing.color for thing in catalogue()[::8]} | {"new shade"}


def test_a_photo_that_was_replaced_under_its_name_is_embedded_anew(runs, run_example, mobilenet, shop):
    _, out = runs
    photo(catalogue()[1], 3, size=96).save(shop / f"{catalogue()[0].name}-0.jpg")
    done = run_example("fashion", shop, "--column", "sort", "--model", mobilenet, "--queries", 3, "--out", out)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "1 objects in 1 images" in done.stdout
    assert "both find the same: yes" in done.stdout


def test_a_column_that_is_not_there_is_told_in_a_line(run_example, shop, tmp_path):
    done = run_example("fashion", shop, "--column", "nope", "--model", "no such network", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith('labels.csv has no column "nope"; its columns are file, sort, shade')
    assert "Traceback" not in done.stderr


def test_the_showroom_stands_in(run_example, tmp_path):
    """With a network that has learned from the showroom, where the weights of the other cannot be had."""
    done = run_example("fashion", "--model", "showroom.pt", "--queries", 5, "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert float(re.search(r"^ +P@k +(\d\.\d{3})", done.stdout, re.MULTILINE)[1]) > 0.8
    assert "A query among 560 images" in done.stdout
