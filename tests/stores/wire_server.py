"""
A server that speaks MongoDB's wire protocol: the one `TEST_MONGODB_URL` names, else a `mongod` on the PATH, else
SecantusDB out of this environment, which keeps its files with WiredTiger as MongoDB does.
"""

import atexit
import os
import shutil
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from pymongo import MongoClient

from tests.faults.processes import a_free_port

PATIENCE_S: Final = 30

Document = dict[str, Any]

_databases: Final[set[str]] = set()


class WireServer:
    """One server on a fixed port and folder, so that it can be started again after its end."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = a_free_port()
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is the primary of its replica set."""
        self._directory.mkdir(exist_ok=True)
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([*self._command(), *self._options], **quiet)
        with _client(self.url, directConnection=True) as client:
            if _mongod() and not self._is_member(client):
                client.admin.command("replSetInitiate", {"_id": "rs", "members": [{"_id": 0, "host": self.url[10:]}]})
        with _client(self.url) as client:
            client.admin.command("ping")

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def _command(self) -> list[str]:
        port = str(self.port)
        if mongod := _mongod():
            test_commands = ("--setParameter", "enableTestCommands=1")
            return [mongod, "--port", port, "--dbpath", str(self._directory), "--replSet", "rs", *test_commands]
        secantus = str(Path(sys.executable).parent / "secantusd-py")
        options = ("--cache-size", "64M", "--log-level", "ERROR", "--enable-test-commands")
        return [secantus, "--port", port, "--storage-path", str(self._directory), *options]

    @staticmethod
    def _is_member(client: MongoClient[Document]) -> bool:
        return "setName" in client.admin.command("hello")


@cache
def server_url() -> str:
    """Return the address of the server all tests share; it is started by the first of them and ends with the run."""
    if url := os.environ.get("TEST_MONGODB_URL"):
        atexit.register(_drop_databases, url)
        return url.rstrip("/")
    directory = Path(mkdtemp(prefix="daifu-mongo-"))
    server = WireServer(directory)
    server.start()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.stop)
    return server.url


def database_url(directory: Path) -> str:
    """Return the address of a database of this folder's own."""
    name = "daifu-test-" + sha256(str(directory).encode()).hexdigest()[:16]
    _databases.add(name)
    return f"{server_url()}/{name}"


def forget(url: str) -> None:
    """Drop the database this address names."""
    with _client(url) as client:
        client.drop_database(client.get_default_database())


def _drop_databases(url: str) -> None:
    with _client(url) as client:
        for name in _databases:
            client.drop_database(name)


def _client(url: str, **options: Any) -> MongoClient[Document]:
    return MongoClient(url, serverSelectionTimeoutMS=PATIENCE_S * 1000, **options)


def _mongod() -> str | None:
    return shutil.which("mongod")
