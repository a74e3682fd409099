"""What of the container can be checked without Docker: that all it names is there, and who can reach the App."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
STEPS = [line.split(maxsplit=1) for line in LINES if line and not line.startswith("#")]
SERVICE = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["app"]


def steps(kind):
    return [rest for name, rest in STEPS if name == kind]


def environment():
    return dict(pair.split("=", 1) for rest in steps("ENV") for pair in shlex.split(rest))


def let_through():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    return {line[1:] for line in lines if line.startswith("!")}


def test_only_known_instructions_are_used():
    known = {"FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD"}
    assert {name for name, _ in STEPS} == known


def test_what_is_copied_is_there_and_nothing_else_is_sent():
    sources = {source for rest in steps("COPY") for source in shlex.split(rest)[:-1]}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.splitlines()
    for source in sources:
        assert (ROOT / source).exists(), source
        assert not tracked or any(path == source or path.startswith(f"{source}/") for path in tracked), source
    assert sources == let_through()


def test_the_plugin_is_whole():
    """What its manifest and its package name is copied."""
    sources = {source for rest in steps("COPY") for source in shlex.split(rest)[:-1]}
    assert {"fiftyone.yml", "__init__.py", "operators", "fiftyone_simfind", "skills", "pyproject.toml"} <= sources
    for name in re.findall(r'(?:readme|license-files) = \[?"([^"]+)"', (ROOT / "pyproject.toml").read_text()):
        assert name in sources


def test_it_runs_as_an_ordinary_user_who_owns_what_it_writes():
    names = [name for name, _ in STEPS]
    assert steps("USER") == ["simfind"]
    assert names.index("USER") < names.index("CMD")
    assert any("chown simfind: /data /photos" in rest for rest in steps("RUN"))
    kinds = ("_DIR", "_HOME", "_PATH")
    written = [v for name, v in environment().items() if name.endswith(kinds) and not name.startswith("PIP_")]
    assert {value.split("/")[1] for value in written if value != "/opt/plugins"} == {"data"}


def test_the_variables_are_those_that_fiftyone_reads():
    import fiftyone.core.config as focn

    source = Path(focn.__file__).read_text() + Path(focn.__file__).with_name("context.py").read_text()
    ours = [name for name in environment() if name.startswith("FIFTYONE_")]
    assert len(ours) == 6
    for name in ours:
        assert f'"{name}"' in source, name


def test_the_app_is_started_by_a_command_that_fiftyone_knows():
    program, *arguments = json.loads(steps("CMD")[0])
    assert (program, arguments[:2]) == ("fiftyone", ["app", "launch"])
    command = [Path(sys.executable).with_name("fiftyone"), *arguments[:2], "--help"]
    known = subprocess.run(command, capture_output=True, text=True).stdout
    for option in (argument for argument in arguments if argument.startswith("--")):
        assert f"{option} " in known or f"{option}\n" in known, option


def test_only_this_machine_reaches_the_app():
    assert SERVICE["ports"] == ["127.0.0.1:5151:5151"]
    assert "5151" in steps("EXPOSE")[0]
    assert "network_mode" not in SERVICE


def test_data_outlives_the_container_and_photos_are_only_read():
    data, photos = SERVICE["volumes"]
    assert data == "data:/data"
    assert photos.endswith(":/photos:ro")
    assert "data" in yaml.safe_load((ROOT / "compose.yaml").read_text())["volumes"]


@pytest.mark.parametrize("tool", ["tools/ensure_mongod.py", "tools/ensure_cv2.py"])
def test_the_tools_do_their_work_a_second_time_without_harm(tool):
    """As in the image, where the first time is while it is built."""
    done = subprocess.run([sys.executable, tool], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_check_of_health_is_python():
    (code,) = re.findall(r'python -c "(.*)"', steps("HEALTHCHECK")[0])
    compile(code, "HEALTHCHECK", "exec")
