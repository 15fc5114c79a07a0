"""A server that does its work wrongly gets no number. The server is the Tornado toy, in the test's own process."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from benchmarks import measures, raw_client
from benchmarks.contestant import ORDER_PATH, Contestant, OrdersUsedUp, get, notify_body, post
from benchmarks.measures import WrongAnswerError
from benchmarks.own_listener import ForeignListenerError
from benchmarks.peers.plain_tornado import make_app
from benchmarks.peers.toy import Toy, order_id
from benchmarks.raw_client import a_raw_client
from benchmarks.raw_pages import Turn, WrongPageError, handshake, some_raw_pages
from sandbox import signing

KEY = "192006250b4c09247ec02edce69f6a2d"
ORDERS = 40
Serve = Callable[[Toy], Contestant]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve a toy on a free port, as a contestant."""
    servers: list[HTTPServer] = []

    def begin(toy: Toy) -> Contestant:
        server = HTTPServer(make_app(toy))
        sockets = bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        servers.append(server)
        return a_contestant(sockets[0].getsockname()[1])

    yield begin
    for server in servers:
        server.stop()
        await server.close_all_connections()


def a_contestant(port: int) -> Contestant:
    merchant = {"appid": "wx0", "mch_id": "1", "api_key": KEY}
    ids = [order_id(number) for number in range(ORDERS)]
    return Contestant(
        name="toy",
        pid=os.getpid(),
        port=port,
        order_ids=ids,
        notifies=[post("/wechat/notify/pay", notify_body(merchant, each + "01", "o", signing.MD5)) for each in ids],
        get=lambda order: get(ORDER_PATH + order),
        watch=lambda order: (Turn(handshake(f"/ws/orders/{order}"), f'"order_id":"{order}"'.encode()),),
    )


def a_toy(*, api_key: str = KEY) -> Toy:
    return Toy("plain_tornado", orders=ORDERS, reader="strict", api_key=api_key)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What never comes is not waited for, and a server in this process never rests."""
    monkeypatch.setattr(raw_client, "PATIENCE_S", 1)
    monkeypatch.setattr(measures, "until_quiet", lambda contestant: 0.0)


async def test_every_load_gets_its_number_from_a_server_that_works(serve: Serve) -> None:
    server = serve(a_toy())

    for measure in (
        partial(measures.notifies_a_second, count=6),
        partial(measures.notifies_a_second, count=6, requests_each=1),
        partial(measures.frame_p50_ms, rate=200, seconds=0.05),
        partial(measures.last_frame_ms, watchers=5),
        partial(measures.gets_a_second, seconds=0.05),
    ):
        assert (await asyncio.to_thread(measure, server)).value > 0


async def test_a_server_that_refuses_genuine_notifies_is_noticed(serve: Serve) -> None:
    server = serve(a_toy(api_key="another key"))

    with pytest.raises(WrongAnswerError, match="answered 4 of 4 wrongly"):
        await asyncio.to_thread(measures.answers_a_second, server, 4)


async def test_a_server_that_acknowledges_and_tells_no_page_is_noticed(serve: Serve) -> None:
    class Mute(Toy):
        def settle(self, body: bytes) -> str | None:
            super().settle(body)
            return order_id(ORDERS - 1)

    server = serve(Mute("plain_tornado", orders=ORDERS, reader="strict", api_key=KEY))

    with pytest.raises(TimeoutError):
        await asyncio.to_thread(measures.notifies_a_second, server, 4)


async def test_a_server_that_answers_with_another_order_is_noticed(serve: Serve) -> None:
    class Confused(Toy):
        def answer(self, order: str) -> bytes | None:
            return super().answer(order_id(1))

    server = serve(Confused("plain_tornado", orders=ORDERS, reader="strict", api_key=KEY))

    with pytest.raises(WrongAnswerError):
        await asyncio.to_thread(measures.gets_a_second, server, 0.05)


async def test_a_page_that_is_not_let_in_is_noticed(serve: Serve) -> None:
    server = serve(a_toy())

    def watch_nothing() -> None:
        with some_raw_pages(server.port) as pages:
            pages.open([(Turn(handshake("/ws/nothing"), b"order_id"),)])

    with pytest.raises(WrongPageError, match="404"):
        await asyncio.to_thread(watch_nothing)


async def test_an_order_is_used_once_and_only_on_our_own_listener(serve: Serve) -> None:
    server = serve(a_toy())
    server.take_orders(ORDERS)

    with pytest.raises(OrdersUsedUp):
        server.take_orders(1)
    server.pid = os.getppid()
    with pytest.raises(ForeignListenerError):
        server.take_orders(0)


async def test_a_fresh_connection_is_made_for_every_request_that_asks_for_one(serve: Serve) -> None:
    server = serve(a_toy())

    def send() -> tuple[int, set[int]]:
        with a_raw_client(server.port, 1, requests_each=1) as client:
            done, ports = 0, set()
            for _ in range(3):
                done += client.run(iter([server.get(order_id(0))] * 2)).answers
                ports |= {each.socket.getsockname()[1] for each in client._connections.values()}
            return done, ports

    done, ports = await asyncio.to_thread(send)
    assert done == 6
    assert len(ports) > 1
