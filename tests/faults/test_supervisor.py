"""`serve --processes 2`: two workers on one port, kept alive together and ended together."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.supervisor import Patience, supervise
from sandbox.app import Sandbox
from tests.faults.processes import PATIENCE_S, ServerProcess, a_free_port, merchant_environment
from tests.people import a_client
from tests.redis_server import RedisServer
from tests.stores.wire_server import database_url

pytestmark = [pytest.mark.process, pytest.mark.redis, pytest.mark.mongo]

EXIT_S = 10


@pytest.fixture
async def environment(
    tmp_path: Path, redis_server: RedisServer, wechat: Sandbox, wechat_control: httpx.AsyncClient
) -> Mapping[str, str]:
    merchant: dict[str, Any] = (await wechat_control.get("/_sim/merchant")).json()
    return {
        **merchant_environment("http://127.0.0.1:1", wechat.url, merchant),
        "MONGODB_URL": database_url(tmp_path),
        "REDIS_URL": redis_server.url,
        "PROCESSES": "2",
    }


@pytest.fixture
async def server(tmp_path: Path, environment: dict[str, str]) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(port=a_free_port(), data_dir=tmp_path, environment=environment)
    await process.start()
    await until_workers(process, 2)
    yield process
    await process.aclose()


async def test_both_workers_serve_the_port(server: ServerProcess) -> None:
    before = {pid: cpu_ticks(pid) for pid in workers_of(server)}

    async with asyncio.timeout(PATIENCE_S):
        while not all(cpu_ticks(pid) > ticks + 5 for pid, ticks in before.items()):
            await ask(server.url)


async def test_a_killed_worker_is_replaced_and_nobody_notices_on_the_port(server: ServerProcess) -> None:
    victim, survivor = workers_of(server)

    os.kill(victim, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_S):
        while (now := workers_of(server)) == [victim, survivor] or len(now) < 2:
            assert await ask(server.url) == 200

    assert survivor in now
    assert victim not in now
    assert await ask(server.url) == 200


async def test_sigterm_ends_everybody_in_time_and_in_order(server: ServerProcess) -> None:
    workers = workers_of(server)

    server.terminate()
    began_s = time.monotonic()

    assert await server.ended() == 0
    assert time.monotonic() - began_s < EXIT_S
    assert not any(map(lives, workers))


async def test_with_the_supervisor_killed_the_workers_end_by_themselves(server: ServerProcess) -> None:
    workers = workers_of(server)

    server.kill()
    await server.ended()

    await until_dead(workers)


async def test_a_second_sigterm_ends_everybody_at_once(server: ServerProcess) -> None:
    workers = workers_of(server)
    with unfinished_request(server.url):  # would be waited for
        server.terminate()
        await until_closed(server.url)
        began_s = time.monotonic()
        server.terminate()

        assert await server.ended() == -signal.SIGTERM
        await until_dead(workers)
        assert time.monotonic() - began_s < 2


async def test_while_mongodb_and_redis_are_away_the_workers_stay_and_answer(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    nobody = f"127.0.0.1:{a_free_port()}"
    away = {**environment, "MONGODB_URL": f"mongodb://{nobody}/daifu", "REDIS_URL": f"redis://{nobody}"}
    server = ServerProcess(port=a_free_port(), data_dir=tmp_path, environment=away)
    try:
        await server.start(ready_path="/healthz")
        await until_workers(server, 2)
        workers = workers_of(server)
        async with a_client(server.url) as http:
            assert (await http.get("/readyz")).status_code == 503
        assert workers_of(server) == workers
    finally:
        await server.aclose()


async def test_a_worker_that_cannot_start_is_tried_again_at_growing_pauses(tmp_path: Path) -> None:
    births = tmp_path / "births"
    script = "import sys, time; open(sys.argv[1], 'a').write(f'{time.monotonic()}\\n'); sys.exit(1)"
    command = (sys.executable, "-S", "-c", script, str(births))
    supervising = asyncio.create_task(supervise(command, [os.environ], ready=lambda: None))
    try:
        await until(lambda: len(times_in(births)) >= 3)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await supervising

    first, second, third = times_in(births)[:3]
    assert second - first > 0.4
    assert third - second > 1.4


async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path: Path) -> None:
    births = tmp_path / "births"
    script = (
        "import os, sys, time; open(sys.argv[1], 'a').write(f'{time.monotonic()}\\n');"
        " os.write(1, b'.'); time.sleep(600)"
    )
    command = (sys.executable, "-S", "-c", script, str(births))
    served = asyncio.Event()
    patience = Patience(silence_s=0.3)
    supervising = asyncio.create_task(supervise(command, [os.environ], ready=served.set, patience=patience))
    try:
        await until(lambda: len(times_in(births)) >= 3)
        assert served.is_set()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await supervising


async def test_a_worker_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    births = tmp_path / "births"
    script = (
        "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " open(sys.argv[1], 'a').write(f'{time.monotonic()}\\n'); os.write(1, b'.'); time.sleep(600)"
    )
    command = (sys.executable, "-S", "-c", script, str(births))
    served = asyncio.Event()
    supervising = asyncio.create_task(supervise(command, [os.environ], ready=served.set, patience=Patience(end_s=0.3)))
    await asyncio.wait_for(served.wait(), PATIENCE_S)

    os.kill(os.getpid(), signal.SIGTERM)

    await asyncio.wait_for(supervising, PATIENCE_S)
    assert len(times_in(births)) == 1


async def test_ready_is_said_when_every_worker_serves_and_not_before(tmp_path: Path) -> None:
    births = tmp_path / "births"
    go = tmp_path / "go"
    script = (
        "import os, pathlib, sys, time; open(sys.argv[1], 'a').write(f'{time.monotonic()}\\n')\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\n"
        "os.write(1, b'.'); time.sleep(600)"
    )
    command = (sys.executable, "-S", "-c", script, str(births), str(go))
    served = asyncio.Event()
    supervising = asyncio.create_task(supervise(command, [os.environ] * 2, ready=served.set))
    try:
        await until(lambda: len(times_in(births)) == 2)
        assert not served.is_set()
        go.touch()
        await asyncio.wait_for(served.wait(), PATIENCE_S)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await supervising


def times_in(births: Path) -> list[float]:
    return [float(line) for line in births.read_text().splitlines()] if births.exists() else []


def workers_of(server: ServerProcess) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return sorted(pid for pid in map(int, children) if lives(pid))


async def until_workers(server: ServerProcess, count: int) -> None:
    """Wait until this many workers have the port open."""
    await until(lambda: listeners_on(server.port) == count)


def listeners_on(port: int) -> int:
    listening = "0A"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == listening for line in lines)


async def until_closed(url: str) -> None:
    port = int(url.rpartition(":")[2])
    await until(lambda: not listeners_on(port))


async def until_dead(pids: list[int]) -> None:
    await until(lambda: not any(map(lives, pids)), within_s=EXIT_S)


async def until(is_true: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
    """Wait for what the kernel knows and tells nobody."""
    async with asyncio.timeout(within_s):
        while not is_true():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)


def lives(pid: int) -> bool:
    """Does it run still? A process nobody has waited for yet does not."""
    return state_of(pid) not in ("", "Z", "X")


def state_of(pid: int) -> str:
    stat = stat_of(pid)
    return stat[0] if stat else ""


def cpu_ticks(pid: int) -> int:
    stat = stat_of(pid)
    return int(stat[11]) + int(stat[12]) if stat else 0


def stat_of(pid: int) -> list[str]:
    """Return what the kernel says of it after its name: state first; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


async def ask(url: str) -> int:
    """Ask over a new connection, so that the kernel chooses who answers; 503 too is an answer of the port."""
    async with a_client(url) as http:
        for _ in range(2):  # a connection that waited for the killed one to take it is reset: a balancer tries again
            try:
                return (await http.get("/healthz")).status_code
            except httpx.TransportError:
                continue
    return 0


@contextmanager
def unfinished_request(url: str) -> Iterator[None]:
    """Half of a request is with the server."""
    port = int(url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"POST /wechat/notify/pay HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n<xml>")
        yield
