"""``docs/plugin.md`` names all operators, settings and numbers as they are."""

import json
import re
from dataclasses import asdict
from pathlib import Path

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plugin.md").read_text(encoding="utf-8")
URI = "@simfind/objects"


def test_the_table_has_all_operators_with_their_risks():
    import fiftyone.operators as foo

    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|.*\| (low|medium|high) \|$", PAGE, re.MULTILINE)
    listed = {name: risk for names, risk in rows for name in re.findall(r"\w+", names)}
    operators = [o for o in foo.list_operators(type="operator") if o.uri.startswith(URI)]
    assert listed == {operator.name: operator.config.risk_level.value for operator in operators}


def test_the_settings_are_those_that_are_read_with_their_defaults():
    from operators._settings import Settings

    shown = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL).group(1))["plugins"][URI]
    defaults = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(Settings()).items()}
    assert shown == defaults
    rows = re.findall(r"^\| `(\w+)` \| `(.*)` \|", PAGE.partition("| setting |")[2], re.MULTILINE)
    assert {name: json.loads(value) for name, value in rows} == defaults


def test_the_score_is_the_weighted_mean_of_its_areas():
    rows = re.findall(r"^\| [A-Z].* \| (\d+) % \| (\d+) \|", PAGE, re.MULTILINE)
    assert sum(int(weight) for weight, _ in rows) == 100
    score = sum(int(weight) * int(points) for weight, points in rows) / 100
    assert f"**{score:.1f} of 100**" in PAGE


def test_the_counts_of_hostile_requests_are_kept():
    tests = Path(__file__).resolve().parents[1] / "operators" / "test_hostile.py"
    names: dict = {}
    exec(tests.read_text(encoding="utf-8").partition("def require_sentence")[0], names)
    assert sum(len(names[some]) for some in ("SEARCHES", "OTHERS", "PHOTOS", "ADDRESSES")) > 100
