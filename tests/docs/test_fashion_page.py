"""The code block of ``docs/fashion.md`` is run, as a reader would."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "fashion.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_says_what_a_search_says(page):
    assert page.printed == "True"


def test_the_table_is_written(page):
    header, *rows = (page.folder / "fashion.csv").read_text(encoding="utf-8").splitlines()
    assert header.startswith("label_id,")
    assert len(rows) == 224 * 10
