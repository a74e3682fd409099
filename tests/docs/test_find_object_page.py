"""The code block of ``docs/find_object.md`` is run as a reader would, and its commands are the example's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "find_object.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_a_block_to_run():
    assert len(BLOCKS) == 1


def test_the_slice_and_the_report_are_printed(page):
    assert re.search(r"^\(7, 7, \d+\) \(7, 7\)$", page.printed, re.MULTILINE)
    assert re.search(r"^place +0\.\d{3} +0\.\d{3} +\d\.\d{3}", page.printed, re.MULTILINE)
    assert re.search(r"place_chance +size +size_chance", page.printed)


@pytest.mark.parametrize("name", ["matches", "features", "location"])
def test_the_pictures_are_written(page, name):
    assert (page.folder / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize("path", re.findall(r"\((images/[^)]+)\)", PAGE))
def test_the_pictures_of_the_page_are_there_and_small(path):
    assert 10_000 < (ROOT / "docs" / path).stat().st_size <= 256_000


def test_every_option_that_the_commands_use_is_the_examples():
    known = (ROOT / "examples" / "find_object.py").read_text() + (ROOT / "examples" / "common.py").read_text()
    for option in re.findall(r"^python examples/find_object.py.*?$", PAGE, re.MULTILINE):
        for name in re.findall(r"--\w+", option):
            assert f'"{name}"' in known
