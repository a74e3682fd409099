"""The plugin as FiftyOne installs it: a copy of the repository, in a process that knows nothing of us."""

import functools
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["fiftyone.yml", "__init__.py", "operators", "fiftyone_simfind"]
MANIFEST = (ROOT / "fiftyone.yml").read_text(encoding="utf-8")
OPERATORS = re.findall(r"^  - (\w+)$", MANIFEST, re.MULTILINE)
VERSION = re.search(r"^version: (\S+)$", MANIFEST, re.MULTILINE).group(1)

# A fiftyone_simfind that is installed here, editable or not, is hidden: the plugin has to bring its own.
LIST_OPERATORS = """
import json, os, sys

def is_ours(folder):
    return folder != os.environ["PYTHONPATH"] and os.path.isdir(os.path.join(folder, "fiftyone_simfind"))

sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path[:] = [folder for folder in sys.path if not is_ours(folder)]

import fiftyone.operators as foo
from fiftyone.operators.registry import OperatorRegistry

uris = [operator.uri for operator in foo.list_operators(builtin=False)]
sdk = getattr(sys.modules.get("fiftyone_simfind"), "__file__", None)
print("RESULT" + json.dumps([OperatorRegistry().list_errors(), uris, sdk]))
"""


@pytest.fixture
def plugins(tmp_path):
    """An empty plugins folder."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    return folder


@pytest.fixture
def archive(tmp_path):
    """The address of a zip of the plugin, as GitHub gives one."""
    site = tmp_path / "site"
    for part in PARTS:
        _copy(ROOT / part, site / "repository" / part)
    shutil.make_archive(str(site / "repository"), "zip", site, "repository")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/repository.zip"
        server.shutdown()


def _copy(source, target):
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def run(plugins, *command, installed=""):
    """What a process says that has this plugins folder, and these packages installed."""
    environment = {**os.environ, "FIFTYONE_PLUGINS_DIR": str(plugins), "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=plugins, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def load(plugins, installed=""):
    """The errors of loading the plugins, the operators' addresses, and where the SDK came from."""
    said = run(plugins, sys.executable, "-c", LIST_OPERATORS, installed=installed)
    return json.loads(said.partition("RESULT")[2])


def test_the_plugin_loads_in_this_process_without_errors():
    import fiftyone.operators as foo
    from fiftyone.operators.registry import OperatorRegistry

    assert OperatorRegistry().list_errors() == []
    uris = {operator.uri for operator in foo.list_operators()}
    assert {f"@simfind/objects/{name}" for name in OPERATORS} <= uris


def test_the_plugin_installs_by_download_and_brings_its_own_sdk(plugins, archive):
    run(plugins, Path(sys.executable).with_name("fiftyone"), "plugins", "download", archive)
    errors, uris, sdk = load(plugins)
    assert errors == []
    assert set(uris) == {f"@simfind/objects/{name}" for name in OPERATORS}
    assert Path(sdk).is_relative_to(plugins)


def test_an_installed_sdk_of_another_version_is_refused(plugins, tmp_path):
    for part in PARTS:
        _copy(ROOT / part, plugins / "simfind" / part)
    installed = tmp_path / "installed"
    (installed / "fiftyone_simfind").mkdir(parents=True)
    (installed / "fiftyone_simfind" / "__init__.py").write_text('__version__ = "0.0.1"\n')
    (error,), uris, _ = load(plugins, installed)
    assert f"version {VERSION}, but the installed package fiftyone-simfind is 0.0.1; update the older one" in error
    assert uris == []
