"""The client of API v3 against a peer that signs with another library."""

import asyncio
import gzip
import hashlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final

import pytest
from msgspec.structs import replace
from wechatpayv3.utils import rsa_verify

from server.domain.document import Payment
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid, RefundState, TradeState, TradeType
from server.domain.prepaid import Prepaid
from server.errors import MalformedBill, NoBill, WeChatRefused, WeChatUnavailable
from server.ports import PayGateway
from server.wechat.v3_client import WeChatPayV3Client
from server.wechat.v3_keys import KeyRing
from tests.builders import an_attempt, an_order
from tests.running import ShiftedClock
from tests.wechat.bill_wire import BILL
from tests.wechat.refund_wire import a_refund
from tests.wechat.v3_vectors import MCH_ID, SERIAL_NO, T12_SIGNATURE, sample_key
from tests.wechat.v3_wire import (
    APPID,
    KEY_ID,
    MINIPROGRAM_APPID,
    OPEN_APPID,
    TRANSACTION,
    a_certificates_answer,
    a_ring,
    a_v3_merchant,
    certificate_key,
    certificate_serial,
    signed_headers,
)
from tests.wechat.wechat_peer import DEADLINE_S, Asked, Peer, a_peer, http

ATTEMPT: Final = replace(an_attempt(), payer=replace(an_attempt().payer, openid=TRANSACTION["payer"]["openid"]))
DAY: Final = date(2026, 11, 21)


def reply(body: bytes | Mapping[str, Any] = b"", *, status: str = "200 OK", age_s: int = 0, **headers: str) -> bytes:
    """Return a rightly signed answer, with some headers changed."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = signed_headers(content, now_s=int(time.time()) - age_s)
    return answered(content, {**signed, **{name.replace("_", "-"): value for name, value in headers.items()}}, status)


def answered(content: bytes, headers: Mapping[str, str], status: str = "200 OK") -> bytes:
    return http(content, status=status, length=None, **{name.replace("-", "_"): headers[name] for name in headers})


def unsigned(body: Mapping[str, Any], *, status: str = "200 OK") -> bytes:
    return http(json.dumps(body).encode(), status=status)


def by_certificate(body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    signed = signed_headers(content, now_s=int(time.time()), serial=certificate_serial(), key=certificate_key())
    return answered(content, signed)


def certificates() -> bytes:
    content = a_certificates_answer()
    signed = signed_headers(content, now_s=int(time.time()), serial=certificate_serial(), key=certificate_key())
    return answered(content, signed)


def refused(code: str, *, status: str = "400 Bad Request", request_id: str = "08F-0") -> bytes:
    return reply({"code": code, "message": "不行"}, status=status, Request_ID=request_id)


def standing(trade_state: str = "NOTPAY", **changes: object) -> dict[str, object]:
    """Return how ATTEMPT stands, without what only a paid one has."""
    about = {"appid": APPID, "mchid": MCH_ID, "out_trade_no": ATTEMPT.out_trade_no, "trade_state": trade_state}
    return {**about, **changes}


PAID: Final = {**TRANSACTION, "out_trade_no": ATTEMPT.out_trade_no}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with a_peer() as running:
        yield running


@asynccontextmanager
async def a_v3_client(
    *base_urls: str, ring: KeyRing | None = None, total_s: float = 5.0
) -> AsyncIterator[WeChatPayV3Client]:
    client = WeChatPayV3Client(
        a_v3_merchant(), base_urls, ring=a_ring() if ring is None else ring, clock=ShiftedClock(), total_s=total_s
    )
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
async def client(peer: Peer) -> AsyncIterator[PayGateway]:
    async with a_v3_client(peer.url) as gateway:
        yield gateway


async def query(client: PayGateway) -> PaymentConfirmed | PaymentUnpaid:
    async with asyncio.timeout(DEADLINE_S):
        return await client.query(ATTEMPT, evidence=Evidence.QUERY)


async def why_unknown(client: PayGateway) -> str:
    with pytest.raises(WeChatUnavailable) as caught:
        await query(client)
    return caught.value.reason


def check_signed(asked: Asked) -> None:
    """Another library finds the call rightly signed, over the path and the bytes that were sent."""
    scheme, _, fields = asked.headers["authorization"].partition(" ")
    named = dict(part.split("=", 1) for part in fields.split(","))
    proof = {name: value.strip('"') for name, value in named.items()}
    method, path, _ = asked.line.split(" ")
    message = f"{method}\n{path}\n{proof['timestamp']}"
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert (proof["mchid"], proof["serial_no"]) == (MCH_ID, SERIAL_NO)
    assert rsa_verify(message, proof["nonce_str"], asked.body.decode(), proof["signature"], sample_key().public_key())


GIVEN: Final = [
    (TradeType.JSAPI, "jsapi", APPID, {"prepay_id": "wx2016"}, Prepaid(prepay_id="wx2016")),
    (TradeType.MINIPROGRAM, "jsapi", MINIPROGRAM_APPID, {"prepay_id": "wx2016"}, Prepaid(prepay_id="wx2016")),
    (TradeType.APP, "app", OPEN_APPID, {"prepay_id": "wx2016"}, Prepaid(prepay_id="wx2016")),
    (TradeType.NATIVE, "native", APPID, {"code_url": "weixin://wxpay/1"}, Prepaid(code_url="weixin://wxpay/1")),
    (TradeType.MWEB, "h5", APPID, {"h5_url": "https://wx.tenpay.com/?a"}, Prepaid(mweb_url="https://wx.tenpay.com/?a")),
]


class TestPrepay:
    @pytest.mark.parametrize(("trade_type", "path", "appid", "answer", "given"), GIVEN)
    async def test_orders_the_attempt_and_repeats_it_byte_for_byte(
        self,
        peer: Peer,
        client: PayGateway,
        trade_type: TradeType,
        path: str,
        appid: str,
        answer: dict[str, str],
        given: Prepaid,
    ) -> None:
        peer.replies = [reply(answer)]
        attempt = an_attempt(trade_type)

        assert await client.prepay(an_order(), attempt) == given
        assert await client.prepay(an_order(), attempt) == given

        first, second = peer.asked
        assert first.line == f"POST /v3/pay/transactions/{path} HTTP/1.1"
        assert first.body == second.body
        check_signed(first)
        asked = json.loads(first.body)
        assert (asked["appid"], asked["mchid"], asked["amount"]) == (appid, MCH_ID, {"total": 100, "currency": "CNY"})
        assert ("payer" in asked) is trade_type.binds_payer
        assert ("scene_info" in asked) is (trade_type is TradeType.MWEB)

    async def test_says_what_wechat_wants_to_hear(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply({"h5_url": "https://wx.tenpay.com/?a"})]
        await client.prepay(an_order(), an_attempt(TradeType.MWEB))

        asked = peer.asked[0]
        assert asked.headers["accept"] == asked.headers["content-type"] == "application/json"
        assert asked.headers["user-agent"] == "daifu"
        assert asked.headers["wechatpay-serial"] == KEY_ID
        assert json.loads(asked.body) == {
            "appid": APPID,
            "mchid": MCH_ID,
            "description": "代付-两张电影票",
            "out_trade_no": an_attempt().out_trade_no,
            "time_expire": "2025-10-09T17:23:20+08:00",
            "notify_url": "https://pay.example.com/wechat/notify/v3",
            "amount": {"total": 100, "currency": "CNY"},
            "scene_info": {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}},
        }

    @pytest.mark.parametrize("answer", [{}, {"prepay_id": ""}, {"prepay_id": "a&b=c"}, {"code_url": "weixin://a"}])
    async def test_that_gives_nothing_usable_is_unknown(
        self, peer: Peer, client: PayGateway, answer: dict[str, str]
    ) -> None:
        peer.replies = [reply(answer)]

        with pytest.raises(WeChatUnavailable) as caught:
            await client.prepay(an_order(), ATTEMPT)
        assert caught.value.reason == "prepay_id"

    @pytest.mark.parametrize(
        ("code", "request_id", "ours"),
        [
            ("ORDER_CLOSED", "08F-0", "ORDERCLOSED"),
            ("ORDERCLOSED", "08F-0", "ORDERCLOSED"),
            ("ORDERPAID", "08F-0", "ORDERPAID"),
            ("OUT_TRADE_NO_USED", "08F-0", "OUT_TRADE_NO_USED"),
            ("NO_AUTH", "08F-0", "NOAUTH"),
            ("INVALID_REQUEST", "08F-268498688", "OUT_TRADE_NO_USED"),
            ("INVALID_REQUEST", "08F-268449538", "ORDERPAID"),
            ("INVALID_REQUEST", "08F-268498689", "ORDERPAID"),
            ("INVALID_REQUEST", "", "INVALID_REQUEST"),
        ],
    )
    async def test_passes_a_refusal_on_in_one_spelling(
        self, peer: Peer, client: PayGateway, code: str, request_id: str, ours: str
    ) -> None:
        peer.replies = [refused(code, request_id=request_id)]

        with pytest.raises(WeChatRefused) as caught:
            await client.prepay(an_order(), ATTEMPT)
        assert caught.value.code == ours
        assert request_id in caught.value.message


class TestClientParams:
    @pytest.mark.parametrize(
        ("trade_type", "appid"), [(TradeType.JSAPI, APPID), (TradeType.MINIPROGRAM, MINIPROGRAM_APPID)]
    )
    def test_of_a_page_are_signed_with_our_key(self, trade_type: TradeType, appid: str) -> None:
        params = self.params(an_attempt(trade_type), Prepaid(prepay_id="wx1"))

        assert (params["appId"], params["package"], params["signType"]) == (appid, "prepay_id=wx1", "RSA")
        assert rsa_verify(f"{appid}\n1554208460", "n", "prepay_id=wx1", params["paySign"], sample_key().public_key())

    def test_of_an_app_name_the_merchant(self) -> None:
        params = self.params(an_attempt(TradeType.APP), Prepaid(prepay_id="wx1"))

        assert (params["appid"], params["partnerid"], params["prepayid"]) == (OPEN_APPID, MCH_ID, "wx1")
        assert rsa_verify(f"{OPEN_APPID}\n1554208460", "n", "wx1", params["sign"], sample_key().public_key())

    def test_of_a_code_are_the_code_and_its_end(self) -> None:
        given = Prepaid(code_url="weixin://wxpay/1", expires_at_ms=5)

        assert self.params(an_attempt(TradeType.NATIVE), given) == {"code_url": "weixin://wxpay/1", "expires_at_ms": 5}

    def test_of_h5_come_back_to_our_page(self) -> None:
        given = Prepaid(mweb_url="https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=2")

        assert self.params(an_attempt(TradeType.MWEB), given)["mweb_url"] == (
            "https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx1&package=2"
            "&redirect_url=https%3A%2F%2Fpay.example.com%2Fwx%2Fback%3Fo%3DPAY1%26t%3Da%20b"
        )

    def params(self, payment: Payment, prepaid: Prepaid) -> dict[str, str | int]:
        client = WeChatPayV3Client(a_v3_merchant(), ["http://127.0.0.1:9"], ring=a_ring(), clock=ShiftedClock())
        url = "https://pay.example.com/wx/back?o=PAY1&t=a b"
        return client.client_params(payment, prepaid, return_url=url, now_s=1554208460, nonce="n")


class TestQuery:
    async def test_tells_how_the_attempt_stands(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply(PAID), reply(standing("USERPAYING"))]

        paid = await query(client)

        assert isinstance(paid, PaymentConfirmed)
        assert (paid.amount, paid.evidence) == (1000, Evidence.QUERY)
        assert await query(client) == PaymentUnpaid(ATTEMPT.out_trade_no, TradeState.USERPAYING)
        path = f"/v3/pay/transactions/out-trade-no/{ATTEMPT.out_trade_no}?mchid={MCH_ID}"
        assert peer.asked[0].line == f"GET {path} HTTP/1.1"
        check_signed(peer.asked[0])

    async def test_of_a_refunded_payment_says_that_it_was_paid(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply({**PAID, "trade_state": "REFUND"})]

        assert isinstance(await query(client), PaymentConfirmed)

    @pytest.mark.parametrize("code", ["ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"])
    async def test_of_an_unheard_of_number_is_refused(self, peer: Peer, client: PayGateway, code: str) -> None:
        peer.replies = [refused(code, status="404 Not Found")]

        with pytest.raises(WeChatRefused) as caught:
            await query(client)
        assert caught.value.code == "ORDERNOTEXIST"

    @pytest.mark.parametrize(
        ("field", "changes"),
        [
            ("out_trade_no", {"out_trade_no": "PAY20261121000000001"}),
            ("mchid", {"mchid": "1"}),
            ("appid", {"appid": OPEN_APPID}),
            ("trade_state", {"trade_state": "WHO_KNOWS"}),
            ("amount", {"amount": None}),
        ],
    )
    async def test_answered_otherwise_is_unknown(
        self, peer: Peer, client: PayGateway, field: str, changes: dict[str, Any]
    ) -> None:
        peer.replies = [reply({**PAID, **changes})]

        assert await why_unknown(client) == field


class TestBelief:
    async def test_an_answer_that_is_not_signed_rightly_is_unknown(self, peer: Peer, client: PayGateway) -> None:
        for answer in (
            unsigned(PAID),
            reply(PAID, Wechatpay_Signature=T12_SIGNATURE),
            reply(PAID, age_s=301),
            reply(PAID, Wechatpay_Serial="PUB_KEY_ID_0"),
        ):
            peer.replies = [answer]
            assert (await why_unknown(client)).startswith("signature")

    async def test_a_probe_is_asked_again(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply(PAID, Wechatpay_Signature=f"WECHATPAY/SIGNTEST/{T12_SIGNATURE}"), reply(PAID)]

        assert isinstance(await query(client), PaymentConfirmed)
        assert peer.asked[0].line == peer.asked[1].line

    async def test_an_unsigned_no_never_carries_a_code_that_means_a_state(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [unsigned({"code": "ORDER_NOT_EXIST", "message": ""}, status="404 Not Found")]

        with pytest.raises(WeChatRefused) as caught:
            await query(client)
        assert caught.value.code == "FAIL"

    @pytest.mark.parametrize("code", ["SYSTEM_ERROR", "BANK_ERROR", "FREQUENCY_LIMITED", "SOMETHING_NEW", "<b>"])
    async def test_any_other_code_leaves_the_outcome_unknown(self, peer: Peer, client: PayGateway, code: str) -> None:
        peer.replies = [refused(code, status="500 Internal Server Error")]

        assert await why_unknown(client) in (code, "http_500")

    async def test_no_answer_leaves_the_outcome_unknown(self, peer: Peer) -> None:
        async with a_v3_client(peer.url, total_s=0.2) as client:
            peer.stall, peer.replies = True, [b""]
            assert await why_unknown(client) == "timeout"

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (http(b"<html>Bad Gateway</html>", status="502 Bad Gateway"), "http_502"),
            (reply(b"{"), "json"),
            (http(b"x", Content_Encoding="gzip"), "compressed"),
            (http(b"x" * (1024 * 1024 + 1)), "oversize"),
        ],
    )
    async def test_garbage_leaves_the_outcome_unknown(
        self, peer: Peer, client: PayGateway, answer: bytes, reason: str
    ) -> None:
        peer.replies = [answer]

        assert await why_unknown(client) == reason

    async def test_the_backup_host_is_asked_when_the_first_is_not_there(self, peer: Peer) -> None:
        peer.replies = [reply(PAID)]
        async with a_v3_client("http://127.0.0.1:9", peer.url) as client:
            assert isinstance(await query(client), PaymentConfirmed)


class TestCertificates:
    async def test_an_answer_signed_with_one_we_do_not_have_has_it_fetched(self, peer: Peer) -> None:
        peer.replies = [by_certificate(PAID), certificates(), by_certificate(PAID)]
        async with a_v3_client(peer.url, ring=KeyRing()) as client:
            assert isinstance(await query(client), PaymentConfirmed)
            assert client.keys.ring.find(certificate_serial())

        assert [asked.line.split(" ")[1] for asked in peer.asked][1] == "/v3/certificates"
        assert "wechatpay-serial" not in peer.asked[0].headers

    async def test_public_keys_stay_beside_what_is_fetched(self, peer: Peer) -> None:
        peer.replies = [certificates()]
        async with a_v3_client(peer.url) as client, asyncio.timeout(DEADLINE_S):
            await client.keys.wanted()

            assert client.keys.ring.find(KEY_ID)
            assert client.keys.ring.find(certificate_serial())

    async def test_a_stranger_who_names_keys_makes_us_ask_once(self, peer: Peer) -> None:
        peer.replies = [refused("RESOURCE_NOT_EXISTS", status="404 Not Found")]
        async with a_v3_client(peer.url) as client, asyncio.timeout(DEADLINE_S):
            for _ in range(20):
                client.keys.want()
            await client.keys.wanted()
            await client.keys.wanted()

            assert len(peer.asked) == 1
            assert set(client.keys.ring.keys) == {KEY_ID}

    async def test_certificates_that_did_not_sign_their_own_answer_are_not_believed(self, peer: Peer) -> None:
        peer.replies = [reply(a_certificates_answer())]  # signed by a key that is not among them
        async with a_v3_client(peer.url, ring=KeyRing()) as client, asyncio.timeout(DEADLINE_S):
            await client.keys.wanted()

            assert not client.keys.ring.keys


class TestClose:
    async def test_returns_when_nobody_can_pay_any_more(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply(status="204 No Content"), refused("ORDER_CLOSED"), refused("ORDER_NOT_EXIST")]

        for _ in range(3):
            await client.close(ATTEMPT)

        assert peer.asked[0].line.endswith("/close HTTP/1.1")
        assert json.loads(peer.asked[0].body) == {"mchid": MCH_ID}
        check_signed(peer.asked[0])

    async def test_says_that_the_friend_was_faster(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [refused("INVALID_REQUEST", request_id="08F-268498689")]

        with pytest.raises(WeChatRefused) as caught:
            await client.close(ATTEMPT)
        assert caught.value.code == "ORDERPAID"


class TestRefund:
    def answer(self, status: str = "SUCCESS", **changes: object) -> dict[str, object]:
        _, payment, refund = a_refund()
        return {
            "refund_id": "50000408942018111907145868882",
            "out_refund_no": refund.out_refund_no,
            "transaction_id": payment.transaction_id,
            "out_trade_no": payment.out_trade_no,
            "status": status,
            "amount": {"total": 100, "refund": 30, "currency": "CNY"},
            **changes,
        }

    async def test_is_accepted_which_is_not_yet_paid(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [reply(self.answer("SUCCESS"))]

        progressed = await client.refund(*a_refund())

        assert progressed.state is RefundState.PROCESSING
        assert peer.asked[0].line == "POST /v3/refund/domestic/refunds HTTP/1.1"
        check_signed(peer.asked[0])
        _, payment, refund = a_refund()
        assert json.loads(peer.asked[0].body) == {
            "transaction_id": payment.transaction_id,
            "out_refund_no": refund.out_refund_no,
            "reason": "代付退款",
            "notify_url": "https://pay.example.com/wechat/notify/v3",
            "amount": {"refund": 30, "total": 100, "currency": "CNY"},
        }

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("PROCESSING", RefundState.PROCESSING),
            ("SUCCESS", RefundState.SUCCESS),
            ("CLOSED", RefundState.CLOSED),
            ("ABNORMAL", RefundState.ABNORMAL),
        ],
    )
    async def test_is_asked_after(self, peer: Peer, client: PayGateway, status: str, state: RefundState) -> None:
        peer.replies = [reply(self.answer(status))]

        assert (await client.query_refund(*a_refund()[1:])).state is state

    async def test_that_was_never_accepted_is_told(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [refused("RESOURCE_NOT_EXISTS", status="404 Not Found")]

        with pytest.raises(WeChatRefused) as caught:
            await client.query_refund(*a_refund()[1:])
        assert caught.value.code == "REFUNDNOTEXIST"

    async def test_of_a_payment_wechat_does_not_know_yet_may_work_later(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [refused("RESOURCE_NOT_EXISTS", status="404 Not Found")]

        with pytest.raises(WeChatUnavailable):
            await client.refund(*a_refund())

    @pytest.mark.parametrize(
        "changes",
        [
            {"out_refund_no": "other"},
            {"transaction_id": "4200"},
            {"out_trade_no": "PAY20261121000000001"},
            {"amount": {"total": 100, "refund": 31}},
            {"amount": {"total": 30, "refund": 30}},
            {"amount": {"total": 100, "refund": 30, "currency": "USD"}},
            {"status": None},
        ],
    )
    async def test_answered_for_another_is_unknown(
        self, peer: Peer, client: PayGateway, changes: dict[str, Any]
    ) -> None:
        peer.replies = [reply(self.answer(**changes))]

        with pytest.raises(WeChatUnavailable):
            await client.query_refund(*a_refund()[1:])


class TestBill:
    def announced(self, text: bytes = BILL) -> bytes:
        return reply(
            {
                "hash_type": "SHA1",
                "hash_value": hashlib.sha1(text).hexdigest(),
                "download_url": "https://api.mch.weixin.qq.com/v3/billdownload/file?token=abc&tartype=gzip",
            }
        )

    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    async def test_is_fetched_unsigned_and_checked_by_its_sum(self, peer: Peer, client: PayGateway, pack: Any) -> None:
        peer.replies = [self.announced(), http(pack(BILL))]

        bill = await client.download_bill(DAY)

        assert bill.rows
        assert peer.asked[0].line == (
            "GET /v3/bill/tradebill?bill_date=2026-11-21&bill_type=ALL&tar_type=GZIP HTTP/1.1"
        )
        assert peer.asked[1].line == "GET /v3/billdownload/file?token=abc&tartype=gzip HTTP/1.1"
        check_signed(peer.asked[1])

    async def test_of_another_sum_is_refused(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [self.announced(BILL + b" "), http(gzip.compress(BILL))]

        with pytest.raises(MalformedBill):
            await client.download_bill(DAY)

    async def test_is_never_fetched_from_a_path_outside_the_api(self, peer: Peer, client: PayGateway) -> None:
        answer = {"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": "https://evil.example.com/x"}
        peer.replies = [reply(answer)]

        with pytest.raises(WeChatUnavailable):
            await client.download_bill(DAY)

    async def test_of_a_day_without_trades_is_none(self, peer: Peer, client: PayGateway) -> None:
        peer.replies = [refused("NO_STATEMENT_EXIST")]
        with pytest.raises(NoBill):
            await client.download_bill(DAY)
        peer.replies = [refused("STATEMENT_CREATING")]
        with pytest.raises(WeChatUnavailable):
            await client.download_bill(DAY)
