"""``examples/rooms.py`` on rooms of the showroom, and on a folder of one's own."""

import re

import pytest
from PIL import Image

from fiftyone_simfind.showroom.rooms import write_rooms


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def printed(run_example, mobilenet, out):
    done = run_example("rooms", "--model", mobilenet, "--per-class", 8, "--out", out)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_accuracy_is_told(printed):
    kinds, same = re.search(r"8 test rooms, 24 others: for (\S+)% .*\n.* nearest, (\S+)% are", printed).groups()
    assert 0 <= float(kinds) <= 100
    assert 0 <= float(same) <= 100


def test_the_shares_of_other_kinds_add_up_and_leave_out_the_own_one(printed):
    rows = re.findall(r"^(?:hall|kitchen|living room|study) +((?:\d\.\d+ *)+)$", printed, re.MULTILINE)
    assert rows
    for row in rows:
        shares = [float(number) for number in row.split()]
        assert sum(shares) == pytest.approx(1, abs=0.03)
        assert 0 in shares


def test_a_room_from_outside_has_the_same_three_lists(printed):
    kind = re.search(r"0008.png is like: (.*)$", printed, re.MULTILINE)[1]
    lists = dict(re.findall(r"^ +(all rooms|same kind|other kinds): (.*)$", printed, re.MULTILINE))
    assert [match.rpartition(" ")[0] for match in lists["same kind"].split(", ")] == [kind] * 5
    assert kind not in lists["other kinds"]
    assert len(lists["all rooms"].split(", ")) == 5


def test_the_pictures_are_written(printed, out):
    for name in ("rooms.png", "correspondence.png", "query.png"):
        with Image.open(out / name) as picture:
            assert picture.height > 300


def test_the_files_are_named(printed, out):
    assert f"Written to {out}: correspondence.png, query.png, rooms.png" in printed


def test_own_rooms_are_compared_and_no_earlier_picture_of_a_photo_remains(run_example, tmp_path):
    write_rooms(tmp_path / "rooms", 3)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "query.png").touch()
    done = run_example("rooms", tmp_path / "rooms", "--model", "showroom.pt", "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 test rooms, 9 others" in done.stdout
    assert "is like" not in done.stdout
    assert not (tmp_path / "new" / "query.png").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flat", "no images in subfolders of {}; rooms.py wants one folder for each kind"),
        ("none", 'there is nothing at "{}"'),
    ],
)
def test_a_folder_without_kinds_is_told_in_a_line(run_example, tmp_path, name, said):
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "flat" / "a.jpg")
    done = run_example("rooms", tmp_path / name, "--model", "no such network", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert said.format(tmp_path / name) in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "no such network" not in done.stderr
