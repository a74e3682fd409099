"""Packages of Debian and its relatives: installed with root, or unpacked into a folder without it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def say(message: str) -> None:
    """Tell the user on the standard error, which leaves the standard output to results."""
    print(message, file=sys.stderr, flush=True)


def run(
    command: Sequence[str], *, seconds: float, environment: Mapping[str, str] | None = None, output: int = 2
) -> bool:
    """Whether a command succeeds in time. Its output goes to the standard error; its children end with it."""
    try:
        process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        say(f"{command[0]} does not start: {error}")
        return False
    try:
        return process.wait(timeout=seconds) == 0
    except subprocess.TimeoutExpired:
        say(f"{' '.join(command)} did not end within {seconds:.0f} s")
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def install(packages: Sequence[str]) -> bool:
    """Whether apt-get could install the packages. Without root or apt-get nothing is tried."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    say(f"installing {' '.join(packages)} with apt-get")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "-qq", "update"], seconds=300, environment=environment)
    command = ["apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages]
    return run(command, seconds=900, environment=environment)


def unpack(packages: Sequence[str], root: Path) -> bool:
    """Whether the packages, and what they need and the system lacks, could be unpacked below ``root``."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return False
    say(f"unpacking {' '.join(packages)} without root")
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".apt-", dir=root) as name:
        apt = ["apt-get", "-qq", *private_state(Path(name))]
        fetch = ["install", "--download-only", "--yes", "--no-install-recommends", *packages]
        if not (run([*apt, "update"], seconds=300) and run([*apt, *fetch], seconds=900)):
            return False
        files = sorted(Path(name).glob("archives/*.deb"))
        return all(run(["dpkg-deb", "--extract", str(file), str(root)], seconds=300) for file in files)


def private_state(folder: Path) -> list[str]:
    """Options that make apt-get keep its lists and downloads in a folder of ours, and take no lock."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = {
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder,
        "Dir::Cache::Archives": folder / "archives",
        "Debug::NoLocking": "1",
    }
    return [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]


def library_folders(root: Path) -> list[Path]:
    """The folders below ``root``, relative to it, that hold shared libraries."""
    libraries = [*root.glob("lib/**/lib*.so*"), *root.glob("usr/lib/**/lib*.so*")]
    return sorted({library.parent.relative_to(root) for library in libraries})
