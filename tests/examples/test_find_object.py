"""``examples/find_object.py`` on a few scenes, and on a folder of photos."""

import contextlib
import io
import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

from fiftyone_simfind import showroom

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*arguments):
    """What the example prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.syspath_prepend(str(EXAMPLES))
        patch.setattr("sys.argv", ["find_object.py", *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / "find_object.py"), run_name="__main__")
    return printed.getvalue()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def printed(out):
    return run("--scenes", 14, "--targets", 2, "--out", out)


def test_each_target_is_of_another_class_and_its_matches_come_in_order(printed):
    blocks = re.findall(r"^(.+) in .*, among 14 images:\n((?:  .*\n)+)", printed, re.MULTILINE)
    assert len({label for label, _ in blocks}) == len(blocks) == 2
    for _, matches in blocks:
        scores = re.findall(r"^  (-?\d\.\d{3})  \w", matches, re.MULTILINE)
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 6


def test_what_places_have_to_do_with_matches_is_printed(printed):
    for row in ("place", "size"):
        assert re.search(rf"^{row} +\d\.\d{{3}} +\d\.\d{{3}} +\d\.\d{{3}} +\d\.\d{{3}} to \d", printed, re.MULTILINE)


def test_what_moving_and_scaling_does_is_printed(printed):
    changes = re.findall(r"^(shift|scale) (\S+) +\d+ +0\.\d{3} +-?0\.\d{3} +[01]\.\d{3}$", printed, re.MULTILINE)
    assert changes == [("shift", "2%"), ("shift", "8%"), ("scale", "0.5"), ("scale", "0.75"), ("scale", "1.5")]


@pytest.mark.parametrize("name", ["matches", "features", "location"])
def test_the_pictures_are_written(printed, out, name):
    with Image.open(out / f"{name}.png") as picture:
        assert min(picture.size) > 400


def test_targets_of_a_photo_are_chosen_and_too_few_photos_are_said_to_be_so(tmp_path):
    showroom.write(tmp_path / "photos", 2, seed=9)
    printed = run(
        tmp_path / "photos", "--model", "showroom.pt", "--image", "scene-0001.jpg", "--targets", 2, "--out", tmp_path
    )
    assert re.findall(r"in \S+(scene-\d+.jpg), among 2 images", printed) == ["scene-0001.jpg"] * 2
    assert 'cannot be told: no object in "objects"' in printed
    assert not (tmp_path / "location.png").exists()
    assert "keep its vector" not in printed


def test_a_class_that_is_nowhere_is_said_to_be_so(tmp_path):
    showroom.write(tmp_path / "photos", 1)
    with pytest.raises(SystemExit, match=r"No unicorn in the images; found were \w+, "):
        run(tmp_path / "photos", "--model", "showroom.pt", "--label", "unicorn", "--out", tmp_path)


def test_a_single_image_has_nothing_to_compare_with(tmp_path):
    showroom.write(tmp_path / "photos", 1)
    printed = run(tmp_path / "photos", "--model", "showroom.pt", "--targets", 1, "--out", tmp_path / "out")
    assert "nothing to compare with" in printed
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_images_is_named_in_a_line(run_example, tmp_path, made):
    if made:
        (tmp_path / "photos").mkdir()
    done = run_example("find_object", tmp_path / "photos", "--model", tmp_path / "nowhere.pt", "--out", tmp_path)
    assert done.returncode == 1
    assert f'"{tmp_path / "photos"}"' in done.stderr
    assert "Traceback" not in done.stderr
    assert "nowhere.pt" not in done.stderr


def test_nothing_stands_in_for_a_model_of_own_photos(run_example, tmp_path):
    showroom.write(tmp_path / "photos", 1)
    done = run_example("find_object", tmp_path / "photos", "--model", tmp_path / "nowhere.pt", "--out", tmp_path)
    assert done.returncode == 1
    assert "nowhere.pt" in done.stderr
    assert "Traceback" not in done.stderr
    assert "stands in" not in done.stderr
