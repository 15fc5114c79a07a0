import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, TradeState, TradeType
from server.domain.prepaid import Prepaid
from server.errors import WeChatRefused, WeChatUnavailable
from server.ports import PayGateway
from server.wechat.client import WeChatPayClient
from server.wechat.flat_xml import read_flat_xml
from tests.builders import after, an_attempt, an_order, started
from tests.wechat.wechat_peer import DEADLINE_S, Peer, a_peer, http
from tests.wechat.wechat_wire import (
    ANSWER,
    OTHER_KEY,
    OUT_TRADE_NO,
    a_merchant,
    a_query_answer,
    an_answer,
    signature,
    signed,
    to_wire,
)

ATTEMPT = an_attempt(out_trade_no=OUT_TRADE_NO)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with a_peer() as running:
        running.replies = [http(a_query_answer())]
        yield running


@asynccontextmanager
async def a_pay_client(*base_urls: str, total_s: float = 5.0) -> AsyncIterator[PayGateway]:
    client = WeChatPayClient(a_merchant(), base_urls, total_s=total_s)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def client(peer: Peer) -> AsyncIterator[PayGateway]:
    async with a_pay_client(peer.url) as gateway:
        yield gateway


def a_closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def query(client: PayGateway) -> PaymentConfirmed | PaymentUnpaid:
    async with asyncio.timeout(DEADLINE_S):
        return await client.query(ATTEMPT, evidence=Evidence.QUERY)


async def why_unknown(client: PayGateway) -> str:
    with pytest.raises(WeChatUnavailable) as caught:
        await query(client)
    assert caught.value.retry
    return caught.value.reason


class TestCalls:
    async def test_prepay_asks_for_the_attempt_and_returns_its_prepay_id(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(an_answer(prepay_id="wx2016", trade_type="JSAPI"))]
        order = after(an_order(), started())

        assert await client.prepay(order, order.payments[0]) == Prepaid(prepay_id="wx2016")
        assert await client.prepay(order, order.payments[0]) == Prepaid(prepay_id="wx2016")

        first, second = (read_flat_xml(asked.body) for asked in peer.asked)
        assert {name for name in first if first[name] != second[name]} == {"nonce_str", "sign"}
        assert first["sign"] == signature(first)
        assert first["out_trade_no"] == order.payments[0].out_trade_no
        assert peer.asked[0].line == "POST /pay/unifiedorder HTTP/1.1"
        assert peer.asked[0].headers["user-agent"] == "daifu"
        assert peer.asked[0].headers["content-type"] == "text/xml; charset=utf-8"

    async def test_prepay_without_an_appid_for_it_is_refused_and_not_asked_for(
        self, peer: Peer, client: PayGateway
    ) -> None:
        order = after(an_order(), started(trade_type=TradeType.APP))

        assert client.trade_types == {TradeType.JSAPI, TradeType.NATIVE, TradeType.MWEB}
        with pytest.raises(WeChatRefused):
            await client.prepay(order, order.payments[0])
        assert not peer.asked

    @pytest.mark.parametrize("code", ["ORDERPAID", "ORDERCLOSED", "OUT_TRADE_NO_USED", "INVALID_REQUEST"])
    async def test_prepay_passes_a_refusal_on(self, peer: Peer, client: PayGateway, code: str) -> None:
        peer.replies = [http(an_answer(result_code="FAIL", err_code=code))]
        order = after(an_order(), started())

        with pytest.raises(WeChatRefused) as caught:
            await client.prepay(order, order.payments[0])
        assert (caught.value.call, caught.value.code) == ("unifiedorder", code)

    async def test_query_tells_how_the_attempt_stands(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(a_query_answer()), http(a_query_answer(trade_state="USERPAYING"))]

        confirmed = await client.query(ATTEMPT, evidence=Evidence.RETURN)

        assert isinstance(confirmed, PaymentConfirmed)
        assert confirmed.evidence is Evidence.RETURN
        assert await query(client) == PaymentUnpaid(OUT_TRADE_NO, TradeState.USERPAYING)
        assert peer.asked[0].line == "POST /pay/orderquery HTTP/1.1"

    async def test_query_of_an_unheard_of_number_is_refused(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(an_answer(result_code="FAIL", err_code="ORDERNOTEXIST"))]

        with pytest.raises(WeChatRefused) as caught:
            await query(client)
        assert caught.value.code == "ORDERNOTEXIST"

    async def test_query_answered_with_another_attempts_state_is_unknown(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(a_query_answer(out_trade_no="PAY20261121000000002"))]

        assert await why_unknown(client) == "out_trade_no"

    @pytest.mark.parametrize(
        "answer",
        [
            an_answer(),
            an_answer(result_code="FAIL", err_code="ORDERCLOSED"),
            an_answer(result_code="FAIL", err_code="ORDER_CLOSED"),
            an_answer(result_code="FAIL", err_code="ORDERNOTEXIST"),
        ],
    )
    async def test_close_returns_when_nobody_can_pay_any_more(
        self, peer: Peer, client: PayGateway, answer: bytes
    ) -> None:
        peer.replies = [http(answer)]

        await client.close(ATTEMPT)

        assert peer.asked[0].line == "POST /pay/closeorder HTTP/1.1"

    async def test_close_says_that_the_friend_was_faster(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(an_answer(result_code="FAIL", err_code="ORDERPAID"))]

        with pytest.raises(WeChatRefused) as caught:
            await client.close(ATTEMPT)
        assert caught.value.code == "ORDERPAID"

    async def test_close_does_not_take_an_unsigned_word_for_it(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [http(to_wire({"return_code": "FAIL", "return_msg": "ORDERCLOSED"}))]

        with pytest.raises(WeChatRefused):
            await client.close(ATTEMPT)

    async def test_the_pages_parameters_are_signed(self, client: PayGateway) -> None:
        given = Prepaid(prepay_id="wx2016")
        params = client.client_params(ATTEMPT, given, return_url="", now_s=1774495197, nonce="n")

        assert params["package"] == "prepay_id=wx2016"
        assert params["timeStamp"] == "1774495197"
        assert params["paySign"] == signature({name: str(value) for name, value in params.items() if name != "paySign"})


BAD_ANSWERS = {
    "http_500": http(a_query_answer(), status="500 Internal Server Error"),
    "http_502": http(b"<html>Bad Gateway</html>", status="502 Bad Gateway"),
    "http_429": http(a_query_answer(), status="429 Too Many Requests"),
    "http_404": http(b"", status="404 Not Found"),
    "http_204": b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    "malformed: html": http(b"<html><body>login</body></html>", Content_Type="text/html"),
    "malformed: empty": http(b""),
    "malformed: latin-1": http(a_query_answer().replace(b"CNY", b"\xe9")),
    "malformed: utf-16": http(a_query_answer().decode().encode("utf-16"), Content_Type="text/xml; charset=utf-16"),
    "malformed: document type": http(b"<!DOCTYPE xml SYSTEM 'http://127.0.0.1:9/'>" + a_query_answer()),
    "signature: wrong": http(to_wire(signed(ANSWER, key=OTHER_KEY))),
    "signature: none": http(to_wire(ANSWER)),
    "return_code": http(to_wire({"return_code": "FAIL", "return_msg": "系统繁忙"})),
    "SYSTEMERROR": http(an_answer(result_code="FAIL", err_code="SYSTEMERROR")),
    "oversize": http(b" " * 10_000_000),
    "compressed: small": http(gzip.compress(a_query_answer()), Content_Encoding="gzip"),
    "compressed: bomb": http(gzip.compress(b" " * 50_000_000), Content_Encoding="gzip"),
    "RemoteProtocolError: half": http(a_query_answer()[:200], length=900),
    "RemoteProtocolError: garbage": b"\x00\x01\x02 what?\r\n\r\n",
    "RemoteProtocolError: nothing": b"",
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
async def test_an_answer_that_is_none_leaves_the_outcome_unknown_and_the_client_usable(
    peer: Peer, client: PayGateway, case: str
) -> None:
    peer.replies = [BAD_ANSWERS[case], http(a_query_answer())]

    assert await why_unknown(client) == case.partition(":")[0]
    assert isinstance(await query(client), PaymentConfirmed)


async def test_a_redirect_is_not_followed(peer: Peer, client: PayGateway) -> None:
    async with a_peer() as elsewhere:
        peer.replies = [http(status="302 Found", Location=elsewhere.url)]

        assert await why_unknown(client) == "http_302"
        assert not elsewhere.asked


async def test_a_proxy_in_the_environment_is_not_used(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{a_closed_port()}")

    async with a_pay_client(peer.url) as client:
        assert isinstance(await query(client), PaymentConfirmed)


class TestSlowAnswers:
    @pytest.mark.parametrize("beginning", [b"", b"HTTP/1.1 200 OK\r\n", http(a_query_answer()[:50], length=900)])
    async def test_that_never_end_are_given_up(self, peer: Peer, beginning: bytes) -> None:
        peer.replies, peer.stall = [beginning], True

        async with a_pay_client(peer.url, total_s=0.2) as client:
            assert await why_unknown(client) == "timeout"
            async with asyncio.timeout(DEADLINE_S):
                await peer.left.wait()

    async def test_whose_callers_give_up_do_not_use_up_the_connections(self, peer: Peer) -> None:
        peer.replies, peer.stall = [b""], True
        async with a_pay_client(peer.url) as client:
            async with asyncio.timeout(DEADLINE_S):
                calls = [asyncio.create_task(query(client)) for _ in range(150)]  # more than the pool holds
                while len(peer.asked) < 50:
                    await asyncio.wait(calls, timeout=0.01)
                for call in calls:
                    call.cancel()
                await asyncio.gather(*calls, return_exceptions=True)
            peer.replies, peer.stall = [http(a_query_answer())], False

            assert isinstance(await query(client), PaymentConfirmed)


class TestBackupHost:
    async def test_takes_over_when_the_main_one_cannot_be_reached_and_is_kept(self, peer: Peer) -> None:
        port = a_closed_port()
        async with a_pay_client(f"http://127.0.0.1:{port}", peer.url) as client:
            assert isinstance(await query(client), PaymentConfirmed)
            async with a_peer(port) as main:
                assert isinstance(await query(client), PaymentConfirmed)

                assert not main.asked
                assert len(peer.asked) == 2

    async def test_takes_over_for_all_the_calls_that_fail_together(self, peer: Peer) -> None:
        async with a_pay_client(f"http://127.0.0.1:{a_closed_port()}", peer.url) as client:
            results = await asyncio.gather(*(query(client) for _ in range(8)))

        assert all(isinstance(result, PaymentConfirmed) for result in results)

    async def test_gives_back_when_it_cannot_be_reached_itself(self, peer: Peer) -> None:
        main_port, backup_port = a_closed_port(), a_closed_port()
        async with a_pay_client(f"http://127.0.0.1:{main_port}", f"http://127.0.0.1:{backup_port}") as client:
            assert await why_unknown(client) == "connect"
            async with a_peer(main_port) as main:
                main.replies = [http(a_query_answer())]
                assert isinstance(await query(client), PaymentConfirmed)

    async def test_is_asked_the_very_same_thing(self, peer: Peer) -> None:
        order = after(an_order(), started())
        peer.replies = [http(an_answer(prepay_id="wx2016", trade_type="JSAPI"))]
        async with a_pay_client(f"http://127.0.0.1:{a_closed_port()}", peer.url) as client:
            await client.prepay(order, order.payments[0])

            assert read_flat_xml(peer.asked[0].body)["out_trade_no"] == order.payments[0].out_trade_no

    async def test_takes_over_after_two_time_outs_in_a_row(self, peer: Peer) -> None:
        async with a_peer() as main, a_pay_client(main.url, peer.url, total_s=0.3) as client:
            main.replies, main.stall = [b""], True

            assert [await why_unknown(client) for _ in range(2)] == ["timeout", "timeout"]
            assert isinstance(await query(client), PaymentConfirmed)
            assert (len(main.asked), len(peer.asked)) == (2, 1)

    async def test_is_left_alone_when_a_time_out_stays_alone(self, peer: Peer) -> None:
        async with a_peer() as main, a_pay_client(main.url, peer.url, total_s=0.3) as client:
            for _ in range(2):
                main.replies, main.stall = [b""], True
                assert await why_unknown(client) == "timeout"
                main.replies, main.stall = [http(a_query_answer())], False
                assert isinstance(await query(client), PaymentConfirmed)

            assert not peer.asked

    async def test_is_not_asked_what_the_main_one_has_answered_badly(self, peer: Peer) -> None:
        async with a_peer() as main, a_pay_client(main.url, peer.url) as client:
            main.replies = [http(status="502 Bad Gateway")]

            assert await why_unknown(client) == "http_502"
            assert not peer.asked


async def test_a_client_never_used_closes() -> None:
    async with a_pay_client("http://127.0.0.1:9"):
        pass
