"""
A process that has imported daifu once and forks a server for each life: thousands of deaths cost no thousand imports.

    python -m tests.faults.nursery

Each line of standard input describes one life as JSON, each line of standard output is the process id it got. A life
is `run.py serve` from the settings on, with one part exchanged: its clock may run ahead.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final, Self

import httpx

from handlers.logs import configure_logs
from handlers.process import serve
from server import bootstrap
from settings import load_settings
from tests.faults.processes import PATIENCE_S, ROOT
from tests.running import ShiftedClock

PR_SET_PTRACER: Final = 0x59616D61  # Source: prctl(2); whoever may trace where only parents may
PR_SET_PTRACER_ANY: Final = -1


class Life:
    """A running server. `over` is set when it has ended, by itself or not."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid = pid
        self.url = url
        self.over = asyncio.Event()
        self._pidfd = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._end)

    async def ready(self) -> None:
        """Return when it can work."""
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False, verify=False) as http:
            while not await self._is_ready(http):
                assert not self.over.is_set(), "daifu ended instead of starting"

    async def answers(self) -> bool:
        """Does it live? If not, the kernel has let go of it when this returns."""
        try:
            async with httpx.AsyncClient(trust_env=False, verify=False, timeout=PATIENCE_S) as http:
                return (await http.get(f"{self.url}/healthz")).is_success
        except httpx.TransportError:
            await asyncio.wait_for(self.over.wait(), PATIENCE_S)
            return False

    async def kill(self) -> None:
        """SIGKILL, unless it is over; return when the kernel has let go of it."""
        if not self.over.is_set():
            os.kill(self.pid, signal.SIGKILL)
        await self.over.wait()

    async def _is_ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/readyz")).status_code == 200
        except httpx.TransportError:
            await asyncio.sleep(0.01)  # nothing tells when a port opens but asking
            return False

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.over.set()


class Nursery:
    """The process, as its parent sees it; every life ends with it."""

    def __init__(self) -> None:
        self._lives: list[Life] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.nursery"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for life in self._lives:
            await life.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def born(self, *, port: int, data_dir: Path, environment: dict[str, str], ahead_s: float = 0) -> Life:
        """Return a server that is ready, on this port and folder, and with a clock that runs so far ahead."""
        asked = {"port": port, "data_dir": str(data_dir), "environment": environment, "ahead_s": ahead_s}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        life = Life(int(await self._process.stdout.readline()), f"http://127.0.0.1:{port}")
        self._lives.append(life)
        await life.ready()
        return life


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the kernel reaps
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _live(json.loads(line))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(asked: dict[str, Any]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    directory = Path(asked["data_dir"])
    directory.mkdir(parents=True, exist_ok=True)
    with Path(os.devnull).open("rb") as nothing, (directory / "log").open("ab") as log:
        for stream, number in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(stream.fileno(), number)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)
    os.environ.update(asked["environment"])
    clock = ShiftedClock()
    clock.ahead_ms = int(asked["ahead_s"] * 1000)
    bootstrap.SystemClock = lambda: clock  # type: ignore[misc, assignment, return-value]
    settings = load_settings(_env_file=None, port=asked["port"], data_dir=directory)
    configure_logs(settings.log_format)
    asyncio.run(serve(settings, ready=lambda: None))


if __name__ == "__main__":
    main()
