"""The page on vector databases is run, and names what there is."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not find_spec("lancedb"), reason="lancedb is not installed")
def test_the_page_on_vector_databases_runs(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "engines.md", "exec"), {})
    assert re.search(r"^\[0\.\d+, 0\.\d+, 0\.\d+\]$", capsys.readouterr().out, re.MULTILINE)
    assert list((tmp_path / "vectors.lance").iterdir())


def test_the_page_names_every_engine_its_extra_and_its_variable():
    from fiftyone_simfind._vendors import VENDORS

    extras = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name, engine in VENDORS.items():
        assert f'`"{name}"` | `pip install "fiftyone-simfind[{name}]"` | `{engine.address}=' in PAGE
        assert f"{name.upper()}_{engine.address.upper()}`" in PAGE
        assert re.search(rf"^{name} = \[", extras, re.MULTILINE)


def test_the_page_gives_the_numbers_of_the_code():
    from fiftyone_simfind import _objects, _paging

    for number in (_objects.CHUNK, _paging.PATIENCE, _paging.NAMED):
        assert f"{number:,}" in PAGE
