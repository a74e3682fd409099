"""Every code block of ``docs/product_search.md`` is run, and its commands are those that the example knows."""

import functools
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fiftyone_simfind as simfind

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "product_search.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_list_of_the_page_is_read(tmp_path):
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    entries = json.loads(block)
    assert "..." in entries[0].pop("sha256")
    report = simfind.download_images(entries[1:], tmp_path, progress=False)
    assert [entry.product for entry in report.entries] == ["mug"]
    assert "there is no file" in next(iter(report.failures.values()))


def test_the_block_prints_what_it_says(page):
    assert "40 images downloaded" in page.printed
    assert re.search(r"recall@k( +\d\.\d{3}){3}", page.printed)


def test_the_photo_s_product_comes_first_with_its_link(page):
    rows = re.findall(r"^(-?\d\.\d{3})  ([\w -]+)  (https://\S+)$", page.printed, re.MULTILINE)
    assert len(rows) == 10
    assert rows[0][1] == "backpack-07"
    assert rows[0][2].endswith("/backpack-07")


def test_the_page_gives_the_numbers_of_the_code():
    from fiftyone_simfind import _download, _photos, _turns

    defaults = {name: one.default for name, one in inspect.signature(simfind.download_images).parameters.items()}
    assert (defaults["concurrency"], defaults["retries"], defaults["timeout"]) == (4, 3, 30)
    assert (_turns.PER_HOST, _download.FIRST_WAIT, _download.LONGEST_WAIT, _photos.MAX_BYTES) == (2, 1, 120, 20 * 2**20)


@functools.lru_cache
def told_by(script):
    return subprocess.run([sys.executable, script, "--help"], cwd=ROOT, capture_output=True, text=True).stdout


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^python (examples/.*)$", PAGE, re.MULTILINE))))
def test_the_example_knows_the_options_of_its_commands(line):
    script, *words = line.split()
    known = told_by(script)
    assert all(f"{word} " in known for word in words if word.startswith("--"))
