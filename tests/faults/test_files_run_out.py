"""Every file the process may open is taken by connections that say nothing."""

import asyncio
import resource
import socket
from pathlib import Path

import httpx
import pytest

from tests.faults.processes import ServerProcess, a_free_port

pytestmark = pytest.mark.process

FILES = 160


async def test_idle_connections_beyond_the_limit_are_turned_away_and_cost_nothing(tmp_path: Path) -> None:
    port = a_free_port()
    server = ServerProcess(port=port, data_dir=tmp_path)
    await server.start()
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
    idle = [await asyncio.to_thread(socket.create_connection, ("127.0.0.1", port)) for _ in range(FILES + 40)]
    try:
        before_s = cpu_s(server.pid)
        for connection in idle[-40:]:
            assert await asyncio.to_thread(connection.recv, 1) == b""  # turned away, not left waiting
        assert cpu_s(server.pid) - before_s < 0.5  # and not by a loop that spins
    finally:
        for connection in idle:
            connection.close()

    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(10):
        assert await healthy(http, server)
    await server.aclose()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def healthy(http: httpx.AsyncClient, server: ServerProcess) -> bool:
    while True:
        try:
            return (await http.get(f"{server.url}/healthz")).status_code == 200
        except httpx.TransportError:
            continue  # the server has not noticed yet that all of them left
