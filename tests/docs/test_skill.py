"""The skill is one that FiftyOne finds, and every step in it runs as it is written."""

import json
import re
from pathlib import Path

import pytest
import yaml

import fiftyone_simfind as simfind

ROOT = Path(__file__).resolve().parents[2]
NAME = "fiftyone-object-search"
TEXT = (ROOT / "skills" / NAME / "SKILL.md").read_text(encoding="utf-8")
STEPS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
URI = "@simfind/objects"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    from fiftyone_simfind.showroom.dataset import load

    dataset = load(3, folder=tmp_path_factory.mktemp("scenes"))
    yield dataset
    dataset.delete()


def test_fiftyone_lists_the_skill():
    import fiftyone.plugins as fop

    (skill,) = fop.list_skills(plugin=URI)
    assert (skill.name, skill.category) == (NAME, "search")
    assert 100 < len(skill.description) < 1024


@pytest.mark.parametrize("section", ["Key Directives", "Available Tools", "Complete Workflow", "Troubleshooting"])
def test_the_skill_has_the_sections_that_voxel51_asks_for(section):
    assert f"\n## {section}\n" in TEXT


def test_the_table_names_the_operators_for_people_and_their_risks():
    import fiftyone.operators as foo

    listed = dict(re.findall(r"^\| `(@simfind/objects/\w+)` \|.*\| (\w+) \|$", TEXT, re.MULTILINE))
    operators = [o for o in foo.list_operators(type="operator") if o.uri.startswith(URI) and not o.config.unlisted]
    assert listed == {operator.uri: operator.config.risk_level.value for operator in operators}


def test_every_step_runs_as_it_is_written(scenes):
    import fiftyone.operators as foo

    field = "objects"
    for step in STEPS:
        params = {**step["params"]}
        if "model" in params:
            params["model"] = "showroom.pt"  # which needs no download
        context = {"view": scenes.view(), "params": params}
        if step["operator"] == "sort_by_similarity":
            label, sample = scenes.first()[field].detections[0].id, scenes.first().id
            context["selected_labels"] = [{"label_id": label, "sample_id": sample, "field": field}]
        result = foo.execute_operator(f"{URI}/{step['operator']}", context).result
        assert result["summary"], step
        scenes.reload()
    assert scenes.list_brain_runs(type="similarity") == []
    assert len(STEPS) == len({step["operator"] for step in STEPS}) == 9


@pytest.mark.parametrize(
    "message", re.findall(r"^\| `([^`]+)` \|", TEXT.partition("## Troubleshooting")[2], re.MULTILINE)
)
def test_messages_are_those_of_the_plugin(message):
    sources = [*(ROOT / "operators").rglob("*.py"), *(ROOT / "fiftyone_simfind").glob("_*.py")]
    code = " ".join(path.read_text(encoding="utf-8") for path in sources)
    code = re.sub(r"""["']\s*\n\s*f?["']""", "", code)  # strings that go on in the next line
    for part in re.split(r"“\.\.\.”|\.\.\.", message):
        assert part.strip(" “”") in code, part


def test_the_manifest_declares_it():
    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text(encoding="utf-8"))
    assert manifest["skills"] == [NAME]
    assert simfind.__version__ == manifest["version"]
