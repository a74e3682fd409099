"""``examples/demo.py`` as ``make demo`` runs it."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "examples/demo.py"]
FEW = ["--scenes", "12"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(out):
    """What the demo says when it is run for the first time."""
    return run(*FEW, "--no-app", "--out", str(out))


def run(*arguments):
    done = subprocess.run([*COMMAND, *arguments], cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def environment():
    """The tests' own, in which the demo has to find the plugin by itself."""
    return {k: v for k, v in os.environ.items() if k != "FIFTYONE_PLUGINS_DIR"}


def heed_interrupts():
    """A shell that starts the tests in the background makes its children deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_the_summary_tells_what_was_done_and_how_well(first):
    assert re.search(r"^12 images, \d+ objects$", first, re.MULTILINE)
    assert re.search(r"objects and vectors \d+\.\d s, index \d+\.\d s, UMAP \d+\.\d s", first)
    assert re.search(r"\d+\.\d% have the same category and colour", first)
    assert re.search(r"the same thing for \d+\.\d%", first)


def test_the_picture_shows_several_targets_with_their_matches(first, out):
    with Image.open(out / "matches.png") as picture:
        assert picture.width > 1500
        assert picture.height > 1500


def test_a_second_run_does_nothing_again(first, out):
    again = run(*FEW, "--no-app", "--out", str(out))
    assert "0 objects in 0 images" in again
    assert "12 images were done before" in again


def test_own_photos_are_searched(tmp_path):
    from fiftyone_simfind import showroom

    showroom.write(tmp_path / "my photos", 6)
    said = run("--images", str(tmp_path / "my photos"), "--model", "showroom.pt", "--no-app", "--out", str(tmp_path))
    assert "6 images" in said
    assert "same category" not in said  # nothing is known about them
    assert (tmp_path / "matches.png").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path):
    command = [*COMMAND, "--images", str(tmp_path / "none"), "--no-app", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert f"--images {tmp_path / 'none'} is no folder" in done.stderr


def test_the_app_is_served_until_it_is_interrupted(first, out):
    command = [*COMMAND, *FEW, "--out", str(out), "--port", "5300"]
    options = {"cwd": ROOT, "env": {**environment(), "PYTHONUNBUFFERED": "1"}, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options, preexec_fn=heed_interrupts) as demo:
        try:
            address = next(m.group(1) for line in demo.stdout if (m := re.search(r"The App is at (\S+)", line)))
            assert urllib.request.urlopen(address.partition("/datasets")[0] + "/fiftyone").status == 200
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait()
