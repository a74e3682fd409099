"""Every code block of ``docs/evaluate.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 8


def test_the_tables_are_printed(page):
    for row in (r"P@k +[01]\.\d{3}", r"R-precision +0\.\d{3}", r"stored +\d+ +[01]\.\d{3}", r"JPEG 30 +\d+ +[01]\."):
        assert re.search(row, page.printed), row


def test_a_network_is_better_than_the_mean_colour(page):
    assert float(re.search(r"mAP@100 gains (\S+)", page.printed).group(1)) > 0


@pytest.mark.parametrize("picture", ["correspondence.png", "worst.png", "models.png", "robustness.png"])
def test_the_pictures_are_written(page, picture):
    assert (page.folder / picture).stat().st_size > 10_000
