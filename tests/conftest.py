"""A MongoDB and a home of the tests' own: nothing of the user's FiftyOne is read or written.

FiftyOne reads its environment when it is imported, so everything is set in ``pytest_configure``. A mongod of our own is
needed because FiftyOne otherwise attaches to any mongod of the same user that already runs.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASE = Path(tempfile.mkdtemp(prefix="simfind-tests-"))
ARTIFACTS = ROOT / "test-artifacts"
_mongod: subprocess.Popen | None = None

sys.path.insert(0, str(ROOT))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _mongod_binary() -> str:
    spec = importlib.util.find_spec("fiftyone")
    packaged = Path(spec.origin).parent / "db" / "bin" / "mongod"
    found = str(packaged) if packaged.exists() else shutil.which("mongod")
    if not found:
        raise pytest.UsageError("no mongod: run `python tools/ensure_mongod.py`, or `make test`, which does")
    return found


def _start_mongod() -> int:
    global _mongod
    port = free_port()
    (BASE / "db").mkdir()
    options = [
        "--dbpath",
        BASE / "db",
        "--port",
        port,
        "--bind_ip",
        "127.0.0.1",
        "--logpath",
        BASE / "mongod.log",
    ]
    _mongod = subprocess.Popen(
        [_mongod_binary(), *map(str, options), "--nounixsocket"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(600):
        if _mongod.poll() is not None:
            raise pytest.UsageError(f"mongod ended with {_mongod.returncode}; see {BASE / 'mongod.log'}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return port
        time.sleep(0.1)
    raise pytest.UsageError("mongod did not start")


class RootIsNoPackage:
    """Keeps pytest from importing the plugin's entry, the ``__init__.py`` of the repository's root."""

    @pytest.hookimpl
    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == parent.config.rootpath else None


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(RootIsNoPackage())
    if "fiftyone" in sys.modules:
        raise pytest.UsageError("fiftyone was imported before its environment was set")
    for folder in ("home", "plugins", "data", "yolo"):
        (BASE / folder).mkdir()
    os.symlink(ROOT, BASE / "plugins" / "simfind")
    os.environ.update(
        HOME=str(BASE / "home"),
        FIFTYONE_DATABASE_URI=f"mongodb://127.0.0.1:{_start_mongod()}",
        FIFTYONE_DATABASE_NAME="simfind_tests",
        FIFTYONE_DATABASE_VALIDATION="false",
        FIFTYONE_DATABASE_ADMIN="true",
        FIFTYONE_PLUGINS_DIR=str(BASE / "plugins"),
        FIFTYONE_DEFAULT_DATASET_DIR=str(BASE / "data"),
        FIFTYONE_MODEL_ZOO_DIR=str(BASE / "zoo"),
        FIFTYONE_DO_NOT_TRACK="true",
        FIFTYONE_SHOW_PROGRESS_BARS="false",
        FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS="true",
        YOLO_CONFIG_DIR=str(BASE / "yolo"),
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    if _mongod is not None:
        _mongod.terminate()
        try:
            _mongod.wait(20)
        except subprocess.TimeoutExpired:
            _mongod.kill()
            _mongod.wait()
    shutil.rmtree(BASE, ignore_errors=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real weights and photos, which only the project's own machines have."""
    folder = os.environ.get("SIMFIND_TEST_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SIMFIND_TEST_DATA names no folder with real weights and photos")
    return Path(folder)


@pytest.fixture
def artifacts() -> Path:
    """A folder for pictures that a person should look at after a test run."""
    ARTIFACTS.mkdir(exist_ok=True)
    return ARTIFACTS


@pytest.fixture
def toys():
    """Objects with vectors of known angles; see ``fiftyone_simfind.testing``."""
    from fiftyone_simfind.testing import toy_dataset

    dataset = toy_dataset()
    yield dataset
    dataset.delete()


@pytest.fixture(scope="session")
def toyzoo():
    """Puts the models of the folder ``toyzoo`` into FiftyOne's zoo, where other processes find them, too."""
    import fiftyone as fo

    shutil.copytree(Path(__file__).with_name("toyzoo"), Path(fo.config.model_zoo_dir) / "toyzoo", dirs_exist_ok=True)


@pytest.fixture
def colours(tmp_path, toyzoo):
    """Ten pictures of two halves, each an object of ``things`` whose label is its colour, in shades of four colours."""
    import fiftyone as fo
    import numpy as np
    from PIL import Image, ImageColor

    rng, names = np.random.default_rng(51), ["red", "lime", "blue", "yellow"]
    dataset = fo.Dataset()
    for number in range(10):
        picture, objects = np.zeros((96, 192, 3), np.uint8), []
        for half, name in enumerate([names[number % 4], names[(number * 3 + 1) % 4]]):
            shade = np.array(ImageColor.getrgb(name)) * rng.uniform(0.7, 1) + rng.uniform(0, 40, 3)
            picture[:, half * 96 : half * 96 + 96] = np.clip(shade, 0, 255)
            objects.append(fo.Detection(label=name, bounding_box=[half / 2, 0, 0.5, 1]))
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
        things = fo.Detections(detections=objects)
        dataset.add_sample(fo.Sample(filepath=str(tmp_path / f"{number}.png"), things=things))
    return dataset  # and leave it: the App may still show it
