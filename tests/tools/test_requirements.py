"""The two lists of what the project needs are one list, and every tool explains itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[2]
TOOLS = sorted(path.name for path in (ROOT / "tools").glob("ensure_*.py"))


def test_the_plugin_needs_what_the_package_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == project["dependencies"]


@pytest.mark.parametrize("tool", TOOLS)
def test_each_tool_says_why_it_exists(tool):
    done = subprocess.run([sys.executable, ROOT / "tools" / tool, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "This script" in done.stdout or "this script" in done.stdout
