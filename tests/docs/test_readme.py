"""Every code block of the README is run, and everything that it names is there."""

import functools
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = [line for block in re.findall(r"```shell\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder to work in with ``photos/`` and, under the name that the README uses, weights."""
    from fiftyone_simfind import showroom

    folder = tmp_path_factory.mktemp("readme")
    showroom.write(folder / "photos", 6)
    (folder / "yolo11n.pt").write_bytes(showroom.WEIGHTS.read_bytes())
    return folder


def test_the_readme_has_blocks_to_run():
    assert len(PYTHON) >= 5
    assert len(SHELL) >= 5


@pytest.fixture(scope="module")
def run_before():
    """What the blocks printed that have been run, and the names that they left."""
    return [], {}


@pytest.fixture
def ran(photos, run_before, monkeypatch, capsys):
    """Runs the block that has some words, after all before it that were not run yet, and gives what it printed."""
    monkeypatch.chdir(photos)
    printed, names = run_before

    def run(words):
        (number,) = (i for i, text in enumerate(PYTHON) if words in text)
        for block in range(len(printed), number + 1):
            own: dict = {} if PYTHON[block].startswith("import") else names  # those that import need no other
            capsys.readouterr()
            exec(compile(PYTHON[block], f"README block {block}", "exec"), own)
            names.update(own)
            printed.append(capsys.readouterr().out)
        return printed[number]

    return run


def test_the_first_block_prints_matches_with_high_scores(ran):
    scores = re.findall(r"^(0\.\d\d\d)  \w", ran("simfind.search(dataset, target, k=5)"), re.MULTILINE)
    assert len(scores) == 5
    assert float(scores[0]) > 0.6


def test_the_block_on_parts_prints_them_and_draws_why(ran, photos):
    assert re.search(r"0\.\d+.*kind.*shape|0\.\d+.*shape.*kind", ran("results.explain(0)"))
    assert (photos / "why.png").stat().st_size > 10_000


def test_the_block_on_neighbours_prints_and_writes_them(ran, photos):
    printed = ran("compute_neighbors")
    assert re.search(r"Neighbor\(label_id='\w{24}', .*, score=0\.\d+\)", printed)
    assert re.search(r"label +other_label +score", printed)
    assert (photos / "neighbours.csv").stat().st_size > 10_000


def test_the_block_on_changes_finds_and_mends_one(ran):
    found, mended = ran("simfind.refresh(dataset)").splitlines()
    assert found.endswith(", 1 edited")
    assert mended.endswith(", up to date")


def test_the_block_on_photos_draws_matches(ran, photos):
    ran("matches.png")
    assert (photos / "matches.png").stat().st_size > 10_000


@pytest.mark.skipif(not find_spec("lancedb"), reason="lancedb is not installed")
def test_the_block_on_a_vector_database_prints_scores(ran, photos):
    assert re.search(r"^\[0\.\d+, 0\.\d+, 0\.\d+\]$", ran('backend="lancedb"'), re.MULTILINE)
    assert (photos / "vectors.lance").is_dir()


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_a_make_command_is_one_that_make_knows(line):
    """The targets themselves run in CI; here make only says what it would do."""
    command = shlex.split(line.replace("~", "/tmp"))
    done = subprocess.run([*command, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("line", [line for line in SHELL if not line.startswith("make ")])
def test_any_other_command_is_one_that_its_program_knows(line):
    program, verb, *_ = shlex.split(line)
    arguments = ["plugins", "download", "--help"] if program == "fiftyone" else [verb, "--help"]
    module = {"pip": ["-m", "pip"], "fiftyone": [str(Path(sys.executable).with_name("fiftyone"))]}[program]
    assert end_of(*module, *arguments) == 0


@functools.lru_cache
def end_of(*arguments):
    return subprocess.run([sys.executable, *arguments], capture_output=True).returncode


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_a_link_leads_somewhere(target):
    assert (ROOT / target).exists()


def test_the_table_names_verbs_and_operators_that_exist():
    import fiftyone.operators as foo

    import fiftyone_simfind as simfind

    for verb in re.findall(r"`simfind\.(\w+)\(", README):
        assert callable(getattr(simfind, verb))
    labels = {operator.config.label for operator in foo.list_operators() if "@simfind" in operator.uri}
    for label in re.findall(r"Simfind: [a-z ]+[a-z]", README):
        assert any(label.startswith(known) for known in labels), label


def test_the_manifest_lists_every_operator():
    from operators import OPERATORS
    from operators.panel import PANEL

    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    registered = {cls().config.name for cls in (*OPERATORS, *PANEL)}
    assert {*manifest["operators"], *manifest["panels"]} == registered
    assert len(manifest["operators"]) + len(manifest["panels"]) == len(registered)


def test_one_version_everywhere():
    import fiftyone_simfind as simfind

    manifest = yaml.safe_load((ROOT / "fiftyone.yml").read_text())
    project = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE).group(1)
    assert manifest["version"] == project == simfind.__version__
    assert f"## [{project}]" in (ROOT / "CHANGELOG.md").read_text()
