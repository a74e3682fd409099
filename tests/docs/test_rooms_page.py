"""Every code block of ``docs/rooms.md`` is run, one after the other, as a reader would."""

import re
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "rooms.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_image_becomes_an_object(page):
    assert page.printed.splitlines()[0] == "32"
    assert "32 queries among 32 objects" in page.printed


def test_a_room_and_a_photo_have_three_lists_each(page):
    rows = re.findall(r"^(all|same_class|other_classes) (\[.*\])$", page.printed, re.MULTILINE)
    assert [scope for scope, _ in rows] == ["all", "same_class", "other_classes"] * 2
    for row in (1, 4):
        same, others = (set(eval(labels)) for _, labels in rows[row : row + 2])
        assert len(same) == 1
        assert not same & others
    assert set(eval(rows[1][1])) == {"hall"}


def test_the_tab_has_what_the_page_asks_for():
    root = Path(__file__).resolve().parents[2] / "operators" / "panel"
    sources = "".join(path.read_text(encoding="utf-8") for path in root.iterdir() if path.is_file())
    section = PAGE.partition("## The same in the App")[2].partition("\n## ")[0]
    for label in set(re.findall(r"(?<!\*)\*([A-Za-z][^*]+)\*(?!\*)", section)) - {"Samples"}:
        assert f'"{label}"' in sources or f"“{label}”" in sources, label
