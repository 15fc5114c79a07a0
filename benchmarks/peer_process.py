"""The toys of `peers/` as processes, each on the server's core and spoken to in its own way."""

import http.client
import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.contestant import NOTIFY_PATH, ORDER_PATH, Contestant, get, notify_body, post
from benchmarks.machine import SERVER_CORE, on_core
from benchmarks.own_listener import ForeignListenerError, check_listener
from benchmarks.peers.toy import order_id
from benchmarks.raw_pages import Conversation, Turn, handshake, masked_text
from sandbox import signing
from tests.faults.processes import a_free_port

ROOT: Final = Path(__file__).resolve().parent.parent
START_S: Final = 20
OPENID: Final = "oBenchmarkFriend000000000000"
NODE: Final = ("node", str(ROOT / "benchmarks/peers/node/server.js"))


class PeerDidNotStart(Exception):
    """Its environment is probably not there: `make bench` makes it."""


class Peer(NamedTuple):
    """Which of them: `program` says so on /healthz, and `reader` is what it reads XML with."""

    name: str
    program: str
    reader: str = "strict"


TORNADO: Final = Peer("plain Tornado", "plain_tornado")
TORNADO_XMLTODICT: Final = Peer("plain Tornado, xmltodict", "plain_tornado", "xmltodict")
STARLETTE: Final = Peer("Starlette", "starlette_uvicorn")
STARLETTE_XMLTODICT: Final = Peer("Starlette, xmltodict", "starlette_uvicorn", "xmltodict")
AIOHTTP: Final = Peer("aiohttp", "aiohttp_uvloop")
AIOHTTP_XMLTODICT: Final = Peer("aiohttp, xmltodict", "aiohttp_uvloop", "xmltodict")
SOCKETIO: Final = Peer("python-socketio", "socketio_uvicorn")
NODE_WS: Final = Peer("Node ws", "node_ws")
NULL: Final = Peer("nothing", "null")


@contextmanager
def a_peer(peer: Peer, *, orders: int, merchant: Mapping[str, str], python: str) -> Iterator[Contestant]:
    """
    Run this peer with so many orders, its notifies signed with the merchant's key.

    Args:
        python: The interpreter of the peers' environment.

    Raises:
        PeerDidNotStart, ForeignListenerError: It is not what answers on its port.
    """
    port = a_free_port()
    program = NODE if peer is NODE_WS else (python, "-m", f"benchmarks.peers.{peer.program}")
    given = {"port": port, "orders": orders, "reader": peer.reader, "api-key": merchant["api_key"]}
    options = [f"--{name}={value}" for name, value in given.items()]
    with on_core(SERVER_CORE):
        process = _started([*program, *options])
    try:
        check_peer(peer.program, port, process)
        ids = [order_id(number) for number in range(orders)]
        yield Contestant(
            name=peer.name,
            pid=process.pid,
            port=port,
            order_ids=ids,
            notifies=[_notify(each, merchant) for each in ids],
            get=lambda order: get(ORDER_PATH + order),
            watch=_watch_socketio if peer is SOCKETIO else _watch,
        )
    finally:
        process.terminate()
        process.wait()


def check_peer(program: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    """
    Wait until this process answers on the port as this program.

    Raises:
        PeerDidNotStart: It ended, or never answered.
        ForeignListenerError: Somebody else answers.
    """
    until_s = time.monotonic() + START_S
    while (said := _health(port)) is None:
        if process.poll() is not None or time.monotonic() > until_s:
            raise PeerDidNotStart(f"{program} did not start")
        time.sleep(0.05)  # nothing tells when a port opens but asking
    if said.get("peer") != program or said.get("pid") != process.pid:
        raise ForeignListenerError(port, process.pid)
    check_listener(port, process.pid)


def _started(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own programs
    except FileNotFoundError as error:
        raise PeerDidNotStart(f"{command[0]} is not there") from error


def _health(port: int) -> dict[str, object] | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_S)
    try:
        connection.request("GET", "/healthz")
        said = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException):
        return None
    except ValueError:
        return {}
    finally:
        connection.close()
    return said if isinstance(said, dict) else {}


def _notify(order: str, merchant: Mapping[str, str]) -> bytes:
    return post(NOTIFY_PATH, notify_body(merchant, order + "01", OPENID, signing.MD5))


def _watch(order: str) -> Conversation:
    return (Turn(handshake(f"/ws/orders/{order}"), f'"order_id":"{order}"'.encode()),)


def _watch_socketio(order: str) -> Conversation:
    """Source: Engine.IO protocol 4, "WebSocket" alone; Socket.IO protocol 5, CONNECT and EVENT."""
    return (
        Turn(handshake("/socket.io/?EIO=4&transport=websocket"), b'0{"sid"'),
        Turn(masked_text("40"), b'40{"sid"'),
        Turn(masked_text(f'42["watch","{order}"]'), f'"order_id":"{order}"'.encode()),
    )
