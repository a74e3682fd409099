"""Every code block of ``docs/neighbors.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "neighbors.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 6


def test_the_answers_are_printed(page):
    assert len(re.findall(r"^[01]\.\d{3}  \w+$", page.printed, re.MULTILINE)) == 10
    assert re.search(r"label +other_label +score\n0 +\w+ +\w+ +0\.9", page.printed)
    assert "NeighborRules(k=10, scope='all', exclude_same_image=False, min_score=None)" in page.printed


def test_the_views_are_in_the_order_of_the_table(page):
    names = page.names
    assert names["view"].values("id") == names["strange"].label_id.tolist()
    assert names["neighbors"].values("id") == [neighbor.label_id for neighbor in names["table"].of(names["label_id"])]


@pytest.mark.parametrize("ending", ["npz", "csv", "parquet", "json"])
def test_the_files_are_written(page, ending):
    assert (page.folder / f"neighbours.{ending}").stat().st_size > 10_000


def test_what_was_written_onto_the_objects_is_gone_again(page):
    assert not page.names["dataset"].get_field("ground_truth.detections.nearest")
