"""Every code block of ``docs/neighbors.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "neighbors.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What the blocks print, the names they leave, and the folder they worked in."""
    folder = tmp_path_factory.mktemp("page")
    names, printed = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(names, "print", lambda *values: printed.append(" ".join(map(str, values))))
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"docs/neighbors.md, block {number}", "exec"), names)
    yield "\n".join(printed), names, folder
    names["dataset"].delete()


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 6


def test_the_answers_are_printed(ran):
    assert len(re.findall(r"^[01]\.\d{3}  \w+$", ran[0], re.MULTILINE)) == 10
    assert re.search(r"label +other_label +score\n0 +\w+ +\w+ +0\.9", ran[0])
    assert "NeighborRules(k=10, scope='all', exclude_same_image=False, min_score=None)" in ran[0]


def test_the_views_are_in_the_order_of_the_table(ran):
    names = ran[1]
    assert names["view"].values("id") == names["strange"].label_id.tolist()
    assert names["neighbors"].values("id") == [neighbor.label_id for neighbor in names["table"].of(names["label_id"])]


@pytest.mark.parametrize("ending", ["npz", "csv", "parquet", "json"])
def test_the_files_are_written(ran, ending):
    assert (ran[2] / f"neighbours.{ending}").stat().st_size > 10_000


def test_what_was_written_onto_the_objects_is_gone_again(ran):
    assert not ran[1]["dataset"].get_field("ground_truth.detections.nearest")
