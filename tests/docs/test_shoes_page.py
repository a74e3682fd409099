"""The code block of ``docs/shoes.md`` is run, and its commands are those that the example knows."""

import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "shoes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_block_finds_sneakers_for_those_of_the_photo(page):
    rows = re.findall(r"^(-?\d\.\d{3})  .*\.jpg$", page.printed, re.MULTILINE)
    assert len(page.names["shoes"]) == 2
    assert len(rows) == 10
    assert {shoe.label for shoe in page.names["shoes"]} == {"sneaker"}
    assert set(page.names["dataset"].distinct("objects.detections.label")) == {"sneaker"}


@functools.lru_cache
def told_by(script):
    return subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    "line", sorted(set(re.findall(r"python (?:/opt/plugins/simfind/)?(examples/.*)$", PAGE, re.M)))
)
def test_the_example_knows_the_options_of_its_commands(line):
    script, *words = line.split()
    known = told_by(script)
    assert all(f"{word} " in known for word in words if word.startswith("--"))


def test_the_forms_have_what_the_page_asks_for():
    """Words of the page in italics are labels of the forms and of the panel."""
    sources = "".join(path.read_text() for path in (ROOT / "operators").rglob("*.py"))
    sources += (ROOT / "operators" / "panel" / "components.js").read_text()
    section = PAGE.partition("## The same from the App")[2].partition("\n## ")[0]
    labels = set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", section)) - {"Samples"}
    assert len(labels) >= 9
    for label in labels:
        assert f'"{label}"' in sources or f"“{label}”" in sources, label
