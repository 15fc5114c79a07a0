"""The client, at real servers."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from server.errors import WebhookFailed
from server.webhooks.client import Lookup, WebhookClient, endpoint_name
from server.webhooks.signature import read_secret
from tests.webhooks.receivers import SECRET, Receiver, a_receiver, certified
from tests.wechat.authority import Authority

KEYS = [read_secret(SECRET)]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver(time.time) as receiver:
        yield receiver


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def send(url: str, *, allow_private: bool = True, **given: Any) -> None:
    async with aclosing(WebhookClient(url, KEYS, allow_private=allow_private, **given)) as client:
        await client.send("e1", b'{"type": "order.paid"}', now_s=int(time.time()))


async def refusal(url: str, **given: Any) -> str:
    with pytest.raises(WebhookFailed) as refused:
        await send(url, **given)
    return refused.value.reason


async def test_an_event_arrives_verified_at_the_whole_address(receiver: Receiver) -> None:
    await send(receiver.url)

    assert receiver.events == [("e1", {"type": "order.paid"})]
    assert endpoint_name(receiver.url) == receiver.name


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 429, 500, 503])
async def test_only_a_2xx_is_a_yes_and_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.location = status, receiver.url

    assert await refusal(receiver.url) == f"http_{status}"

    assert receiver.asked == 1


async def test_one_that_stalls_is_given_up(receiver: Receiver) -> None:
    receiver.gate.clear()

    assert await refusal(receiver.url, total_s=0.2) == "timeout"


async def test_a_name_server_that_stalls_is_given_up_too(receiver: Receiver) -> None:
    def lookup(*args: Any, **named: Any) -> list[tuple[Any, ...]]:
        time.sleep(0.5)
        return []

    assert await refusal(receiver.url, total_s=0.1, lookup=lookup) == "timeout"


async def test_nobody_there_is_a_refusal() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert await refusal(f"http://127.0.0.1:{taken.getsockname()[1]}/") == "ConnectError"


async def test_private_addresses_are_not_called_under_any_name(receiver: Receiver) -> None:
    port = receiver.name.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "0x7f000001", "2130706433"):
        assert await refusal(f"http://{host}:{port}/hooks", allow_private=False) in ("private_address", "unknown_host")
    assert receiver.asked == 0


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(receiver: Receiver) -> None:
    """A name server that says something else the second time changes nothing: there is no second time."""
    port = int(receiver.name.rpartition(":")[2])
    asked = 0

    def lookup(host: str, port: int, **named: Any) -> list[tuple[Any, ...]]:
        nonlocal asked
        asked += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    await send(f"http://no.such.name.invalid:{port}/hooks", lookup=lookup)

    assert (asked, receiver.asked) == (1, 1)


async def test_an_answer_without_end_is_not_read() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 1000)
        await writer.drain()
        await reader.read()
        writer.close()
        hung_up.set()

    hung_up = asyncio.Event()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        await send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await asyncio.wait_for(hung_up.wait(), 10)


def leads_to(*addresses: str, port: int) -> Lookup:
    """A name server that knows one answer."""
    return lambda *args, **named: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (each, port)) for each in addresses]


async def test_a_public_name_that_leads_into_our_network_is_not_called(receiver: Receiver) -> None:
    port = int(receiver.name.rpartition(":")[2])
    url = f"http://shop.example.com:{port}/hooks"
    for addresses in (["127.0.0.1"], ["10.1.2.3", "127.0.0.1"]):
        lookup = leads_to(*addresses, port=port)
        assert await refusal(url, allow_private=False, lookup=lookup) == "private_address"
    assert receiver.asked == 0


class TestOverTls:
    async def test_a_certificate_of_an_authority_that_was_named_is_trusted(self, authority: Authority) -> None:
        async with a_receiver(time.time, ssl_options=certified(authority)) as receiver:
            await send(receiver.url, ca_file=str(authority.ca_file))

        assert [event_id for event_id, _ in receiver.events] == ["e1"]

    async def test_nobody_elses_is(self, authority: Authority) -> None:
        async with a_receiver(time.time, ssl_options=certified(authority)) as receiver:
            assert await refusal(receiver.url) == "untrusted_certificate"

        assert receiver.asked == 0

    @pytest.mark.parametrize(("host", "reason"), [("shop.test", ""), ("other.test", "untrusted_certificate")])
    async def test_it_has_to_be_for_the_name_although_the_address_is_called(
        self, authority: Authority, host: str, reason: str
    ) -> None:
        async with a_receiver(time.time, ssl_options=certified(authority, host=host)) as receiver:
            port = int(receiver.name.rpartition(":")[2])
            given: dict[str, Any] = {
                "lookup": leads_to("127.0.0.1", port=port),
                "ca_file": str(authority.ca_file),
            }
            url = f"https://shop.test:{port}/hooks"
            if reason:
                assert await refusal(url, **given) == reason
            else:
                await send(url, **given)

        assert len(receiver.events) == (0 if reason else 1)

    async def test_a_redirect_is_not_followed(self, authority: Authority, receiver: Receiver) -> None:
        async with a_receiver(time.time, ssl_options=certified(authority)) as guarded:
            guarded.status, guarded.location = 308, receiver.url
            assert await refusal(guarded.url, ca_file=str(authority.ca_file)) == "http_308"

        assert receiver.asked == 0
