"""Every code block of ``docs/evaluate.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What the blocks print, and the folder they worked in."""
    folder = tmp_path_factory.mktemp("page")
    names, printed = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(names, "print", lambda *values: printed.append(" ".join(map(str, values))))
        for number, block in enumerate(BLOCKS):
            exec(compile(block, f"docs/evaluate.md, block {number}", "exec"), names)
    yield "\n".join(printed), folder
    names["dataset"].delete()


def test_the_page_has_blocks_to_run():
    assert len(BLOCKS) == 8


def test_the_tables_are_printed(said):
    for row in (r"P@k +[01]\.\d{3}", r"R-precision +0\.\d{3}", r"stored +\d+ +[01]\.\d{3}", r"JPEG 30 +\d+ +[01]\."):
        assert re.search(row, said[0]), row


def test_a_network_is_better_than_the_mean_colour(said):
    assert float(re.search(r"mAP@100 gains (\S+)", said[0]).group(1)) > 0


@pytest.mark.parametrize("picture", ["correspondence.png", "worst.png", "models.png", "robustness.png"])
def test_the_pictures_are_written(said, picture):
    assert (said[1] / picture).stat().st_size > 10_000
