"""Refunds and bills over real connections; for refunds with TLS on both sides."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import certifi
import pytest

from server.domain.events import RefundProgressed, RefundState
from server.errors import ConfigError, WeChatRefused, WeChatUnavailable
from server.wechat import bills
from server.wechat.bills import read_bill
from server.wechat.client import WeChatPayClient
from server.wechat.flat_xml import read_flat_xml
from server.wechat.line import Certificate
from tests.builders import refund_no
from tests.wechat.authority import Authority
from tests.wechat.bill_wire import BILL, PAID, on_the_wire
from tests.wechat.refund_wire import a_refund, a_refund_answer, a_refundquery_answer
from tests.wechat.wechat_peer import DEADLINE_S, Peer, a_peer, http
from tests.wechat.wechat_wire import a_merchant, an_answer, signature

DAY = date(2026, 11, 21)
ACCEPTED = RefundProgressed(
    out_refund_no=refund_no(), state=RefundState.PROCESSING, refund_id="50000408942018111907145868882"
)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with a_peer() as running:
        running.replies = [http(a_refund_answer())]
        yield running


@asynccontextmanager
async def a_client(
    *base_urls: str, certificate: Certificate | None = None, total_s: float = 5.0
) -> AsyncIterator[WeChatPayClient]:
    client = WeChatPayClient(a_merchant(), base_urls, certificate=certificate, total_s=total_s)
    try:
        yield client
    finally:
        await client.aclose()


async def refund(client: WeChatPayClient) -> RefundProgressed:
    async with asyncio.timeout(DEADLINE_S):
        return await client.refund(*a_refund())


class TestRefund:
    async def test_asks_for_the_refund_and_returns_that_it_was_accepted(self, peer: Peer) -> None:
        async with a_client(peer.url) as client:
            assert await refund(client) == ACCEPTED
            assert await refund(client) == ACCEPTED

        first, second = (read_flat_xml(asked.body) for asked in peer.asked)
        assert {name for name in first if first[name] != second[name]} == {"nonce_str", "sign"}
        assert first["sign"] == signature(first)
        assert first["out_refund_no"] == refund_no()
        assert peer.asked[0].line == "POST /secapi/pay/refund HTTP/1.1"

    @pytest.mark.parametrize("code", ["NOTENOUGH", "TRADE_OVERDUE", "USER_ACCOUNT_ABNORMAL", "ERROR"])
    async def test_passes_a_refusal_on(self, peer: Peer, code: str) -> None:
        peer.replies = [http(an_answer(result_code="FAIL", err_code=code))]

        async with a_client(peer.url) as client:
            with pytest.raises(WeChatRefused) as caught:
                await refund(client)
        assert (caught.value.call, caught.value.code) == ("refund", code)

    async def test_answered_for_another_amount_is_unknown(self, peer: Peer) -> None:
        peer.replies = [http(a_refund_answer(refund_fee="100"))]

        async with a_client(peer.url) as client:
            with pytest.raises(WeChatUnavailable) as caught:
                await refund(client)
        assert caught.value.reason == "refund_fee"

    async def test_never_answered_is_unknown(self, peer: Peer) -> None:
        peer.replies, peer.stall = [b""], True

        async with a_client(peer.url, total_s=0.2) as client:
            with pytest.raises(WeChatUnavailable) as caught:
                await refund(client)
        assert caught.value.reason == "timeout"


class TestRefundQuery:
    async def test_tells_how_the_refund_stands(self, peer: Peer) -> None:
        peer.replies = [http(a_refundquery_answer())]

        async with a_client(peer.url) as client:
            progressed = await client.query_refund(*a_refund()[1:])

        assert progressed.state is RefundState.SUCCESS
        assert peer.asked[0].line == "POST /pay/refundquery HTTP/1.1"
        assert read_flat_xml(peer.asked[0].body)["out_refund_no"] == refund_no()

    async def test_of_a_refund_wechat_never_accepted_is_refused(self, peer: Peer) -> None:
        peer.replies = [http(an_answer(result_code="FAIL", err_code="REFUNDNOTEXIST"))]

        async with a_client(peer.url) as client:
            with pytest.raises(WeChatRefused) as caught:
                await client.query_refund(*a_refund()[1:])
        assert caught.value.code == "REFUNDNOTEXIST"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority this machine trusts, as it trusts those of the web."""
    made = Authority(tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(made.ca_file))
    return made


@pytest.fixture
def certificate(authority: Authority) -> Certificate:
    return Certificate(*authority.issue("10000100"))


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def demanding(authority: Authority, request: pytest.FixtureRequest) -> ssl.SSLContext:
    """TLS as WeChat's refund endpoint does it: who calls has to show a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    context.load_verify_locations(authority.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = request.param
    return context


class TestClientCertificate:
    async def test_is_shown_where_money_goes_out(self, demanding: ssl.SSLContext, certificate: Certificate) -> None:
        async with a_peer(tls=demanding) as peer, a_client(peer.url, certificate=certificate) as client:
            peer.replies = [http(a_refund_answer())]

            assert await refund(client) == ACCEPTED
            assert peer.callers == ["10000100"]

    async def test_is_not_shown_elsewhere(self, demanding: ssl.SSLContext, certificate: Certificate) -> None:
        demanding.verify_mode = ssl.CERT_OPTIONAL
        async with a_peer(tls=demanding) as peer, a_client(peer.url, certificate=certificate) as client:
            peer.replies = [http(a_refundquery_answer())]

            await client.query_refund(*a_refund()[1:])
            assert peer.callers == [""]

    async def test_of_another_authority_leaves_the_outcome_unknown(
        self, demanding: ssl.SSLContext, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        foreign = Certificate(*Authority(tmp_path / "other").issue("10000100"))
        async with a_peer(tls=demanding) as peer, a_client(peer.url, certificate=foreign) as client:
            with pytest.raises(WeChatUnavailable):
                await refund(client)
            assert not peer.asked

    async def test_does_not_make_us_trust_a_server_nobody_vouches_for(
        self, demanding: ssl.SSLContext, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.undo()  # back to the authorities of the web
        async with a_peer(tls=demanding) as peer, a_client(peer.url, certificate=certificate) as client:
            with pytest.raises(WeChatUnavailable) as caught:
                await refund(client)
            assert caught.value.reason == "connect"
            assert not peer.asked

    async def test_is_missed_before_anything_is_sent(self, demanding: ssl.SSLContext) -> None:
        async with a_peer(tls=demanding) as peer, a_client(peer.url) as client:
            with pytest.raises(WeChatRefused) as caught:
                await refund(client)
            assert (caught.value.call, caught.value.code) == ("refund", "CERT_ERROR")
            assert not peer.asked

    async def test_that_has_no_file_is_refused_by_name(self, certificate: Certificate, tmp_path: Path) -> None:
        absent = tmp_path / "absent.pem"

        for pair in (Certificate(absent, certificate[1]), Certificate(certificate[0], absent)):
            with pytest.raises(ConfigError, match=r"absent\.pem"):
                WeChatPayClient(a_merchant(), ["https://127.0.0.1:9"], certificate=pair)

    async def test_with_another_ones_key_is_refused(self, authority: Authority, certificate: Certificate) -> None:
        _, other_key = authority.issue("other")

        with pytest.raises(ConfigError, match=other_key.name):
            WeChatPayClient(a_merchant(), ["https://127.0.0.1:9"], certificate=Certificate(certificate[0], other_key))

    async def test_that_is_none_is_refused_without_its_content(self, certificate: Certificate, tmp_path: Path) -> None:
        (tmp_path / "wrong.pem").write_text("a secret by mistake")

        with pytest.raises(ConfigError, match=r"wrong\.pem") as caught:
            WeChatPayClient(
                a_merchant(), ["https://127.0.0.1:9"], certificate=Certificate(certificate[0], tmp_path / "wrong.pem")
            )
        assert "secret" not in str(caught.value)

    async def test_with_a_locked_key_is_refused_without_asking_for_a_password(self, authority: Authority) -> None:
        locked = Certificate(*authority.issue("10000100", password=b"password"))

        with pytest.raises(ConfigError):
            WeChatPayClient(a_merchant(), ["https://127.0.0.1:9"], certificate=locked)


class TestBill:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    async def test_is_read_plain_and_gzipped(self, peer: Peer, pack: Callable[[bytes], bytes]) -> None:
        peer.replies = [http(pack(BILL))]

        async with a_client(peer.url) as client:
            bill = await client.download_bill(DAY)

        assert bill == read_bill(BILL)
        assert peer.asked[0].line == "POST /pay/downloadbill HTTP/1.1"
        assert read_flat_xml(peer.asked[0].body)["bill_date"] == "20261121"

    async def test_may_be_larger_than_other_answers(self, peer: Peer) -> None:
        peer.replies = [http(on_the_wire([PAID] * 8_000))]

        async with a_client(peer.url) as client:
            assert len((await client.download_bill(DAY)).rows) == 8_000

    async def test_may_not_be_of_any_size(self, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bills, "MAX_BILL_BYTES", 1000)
        peer.replies = [http(b"x" * 1001)]

        async with a_client(peer.url) as client:
            with pytest.raises(WeChatUnavailable) as caught:
                await client.download_bill(DAY)
        assert caught.value.reason == "oversize"

    async def test_that_never_ends_is_given_up_and_costs_the_payments_nothing(self, peer: Peer) -> None:
        async with a_peer() as backup, a_client(peer.url, backup.url) as client:
            peer.replies, peer.stall = [http(BILL, length=10 * len(BILL))], True
            for _ in range(2):
                with pytest.raises(WeChatUnavailable) as caught:
                    await client.download_bill(DAY, total_s=0.2)
                assert caught.value.reason == "timeout"
            peer.replies, peer.stall = [http(a_refundquery_answer())], False

            await client.query_refund(*a_refund()[1:])
            assert not backup.asked
