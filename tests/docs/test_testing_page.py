"""Every code block of ``docs/testing.md`` is run, one after the other, as a reader would; its asserts are the tests."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_what_the_page_says_holds(page):
    assert "[0.98" in page.printed
    assert "8 objects in 4 images" in page.printed


def test_every_block_is_run(page):
    assert len(BLOCKS) == 4
    assert page.names["rooms"].deleted
