"""The client of API v3 against the simulated WeChat, which was written apart from it: pay, close, refund, bill."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.app import Sandbox
from server.domain.document import Order
from server.domain.events import (
    Evidence,
    PaymentConfirmed,
    PaymentStarted,
    PaymentUnpaid,
    Person,
    RefundState,
    TradeState,
    TradeType,
)
from server.errors import WeChatRefused
from server.wechat.v3_client import WeChatPayV3Client
from server.wechat.v3_keys import KeyRing
from server.wechat.v3_sign import V3Merchant
from tests.builders import after, an_order, refund_asked
from tests.running import ShiftedClock

DAY_S: Final = 86_400


@pytest.fixture
async def client(wechat: Sandbox, wechat_control: httpx.AsyncClient) -> AsyncIterator[WeChatPayV3Client]:
    """A client that knows no public key: it fetches the certificates when it meets the first answer."""
    await wechat_control.post("/_sim/keys", json={"platform": "certificate"})
    known: dict[str, Any] = (await wechat_control.get("/_sim/merchant")).json()
    private_key = load_pem_private_key(known["private_key_pem"].encode(), password=None)
    assert isinstance(private_key, RSAPrivateKey)
    merchant = V3Merchant(
        appid=known["appid"],
        mch_id=known["mch_id"],
        serial_no=known["serial_no"],
        private_key=private_key,
        api_v3_keys=(known["api_v3_key"],),
        notify_url="http://127.0.0.1:9/wechat/notify/v3",
    )
    running = WeChatPayV3Client(merchant, [wechat.url], ring=KeyRing(), clock=ShiftedClock())
    yield running
    await running.aclose()


@pytest.fixture
async def order(client: WeChatPayV3Client, wechat_control: httpx.AsyncClient) -> Order:
    """An order of 100 fen for which a friend has pressed pay."""
    payer = (await wechat_control.get("/_sim/users")).json()[0]
    now_ms = time.time_ns() // 1_000_000
    begun = PaymentStarted(
        payer=Person(payer["openid"], "小明"), trade_type=TradeType.JSAPI, client_ip="203.0.113.7", lease_ms=0
    )
    order = after(an_order(now_ms=now_ms, expires_at_ms=now_ms + 30 * 60_000), begun, now_ms=now_ms)
    assert (await client.prepay(order, order.payments[0])).prepay_id
    return order


async def pay(wechat_control: httpx.AsyncClient, order: Order) -> None:
    asked = {"out_trade_no": order.payments[0].out_trade_no}
    (await wechat_control.post("/_sim/pay", json=asked)).raise_for_status()


async def test_a_closed_attempt_is_closed_and_can_be_closed_again(client: WeChatPayV3Client, order: Order) -> None:
    payment = order.payments[0]

    assert await client.query(payment, evidence=Evidence.QUERY) == PaymentUnpaid(
        payment.out_trade_no, TradeState.NOTPAY
    )
    await client.close(payment)
    await client.close(payment)

    assert await client.query(payment, evidence=Evidence.QUERY) == PaymentUnpaid(
        payment.out_trade_no, TradeState.CLOSED
    )
    with pytest.raises(WeChatRefused) as refused:
        await client.prepay(order, payment)
    assert refused.value.code == "ORDERCLOSED"


async def test_a_paid_attempt_says_so_in_the_word_the_use_cases_know(
    client: WeChatPayV3Client, order: Order, wechat_control: httpx.AsyncClient
) -> None:
    await pay(wechat_control, order)

    for call in (client.close(order.payments[0]), client.prepay(order, order.payments[0])):
        with pytest.raises(WeChatRefused) as refused:
            await call
        assert refused.value.code == "ORDERPAID"


async def test_a_refund_is_accepted_then_paid_once_and_both_are_in_the_bill(
    client: WeChatPayV3Client, order: Order, wechat_control: httpx.AsyncClient
) -> None:
    await pay(wechat_control, order)
    confirmed = await client.query(order.payments[0], evidence=Evidence.QUERY)
    assert isinstance(confirmed, PaymentConfirmed)
    order = after(order, confirmed, refund_asked(1, 30), now_ms=time.time_ns() // 1_000_000)
    payment, refund = order.payments[0], order.payments[0].refunds[0]

    with pytest.raises(WeChatRefused) as refused:
        await client.query_refund(payment, refund)
    assert refused.value.code == "REFUNDNOTEXIST"
    accepted = await client.refund(order, payment, refund)
    assert accepted.state is RefundState.PROCESSING
    assert await client.refund(order, payment, refund) == accepted
    (await wechat_control.post("/_sim/clock", json={"advance_s": 2 * DAY_S})).raise_for_status()

    assert (await client.query_refund(payment, refund)).state is RefundState.SUCCESS
    bill = await client.download_bill((datetime.now(UTC) + timedelta(hours=8)).date())
    assert payment.transaction_id in {row.transaction_id for row in bill.rows}
