"""Our client and the simulated WeChat, which share no code: they meet on the wire alone."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import date
from typing import Final

import httpx
import pytest
from msgspec.structs import replace

from sandbox.app import Sandbox
from server.domain.bill import BillDay
from server.domain.document import Order, Payment, Refund
from server.domain.events import (
    Evidence,
    PaymentConfirmed,
    PaymentStarted,
    Person,
    RefundProgressed,
    RefundState,
    TradeType,
)
from server.domain.money import Fen
from server.errors import NoBill, WeChatRefused
from server.wechat.client import WeChatPayClient
from server.wechat.v2_refunds import RefundNotice, parse_refund_notify
from server.wechat.v2_sign import Merchant
from server.wechat.wording import goods_text
from tests.builders import after, an_order, refund_asked, refund_no
from tests.wechat.wechat_peer import DEADLINE_S, Peer, a_peer

DAY_S: Final = 24 * 3600
TITLE: Final = "电影票,`两张"  # with the bill's own separator in it


@pytest.fixture
async def told() -> AsyncIterator[Peer]:
    """Where WeChat tells how refunds went."""
    async with a_peer() as peer:
        yield peer


@pytest.fixture
async def merchant(wechat_control: httpx.AsyncClient, told: Peer) -> Merchant:
    named = (await wechat_control.get("/_sim/merchant")).json()
    return Merchant(
        appid=named["appid"],
        mch_id=named["mch_id"],
        api_keys=(named["api_key"],),
        notify_url="http://127.0.0.1:9/wechat/notify/pay",
        refund_notify_url=f"{told.url}/wechat/notify/refund",
    )


@pytest.fixture
async def client(wechat: Sandbox, merchant: Merchant) -> AsyncIterator[WeChatPayClient]:
    client = WeChatPayClient(merchant, [wechat.url])
    yield client
    await client.aclose()


@pytest.fixture
async def order(client: WeChatPayClient, wechat_control: httpx.AsyncClient) -> Order:
    """An order of 100 fen, paid at WeChat, of which 30 are to go back."""
    payer = (await wechat_control.get("/_sim/users")).json()[0]
    now_ms = time.time_ns() // 1_000_000
    begun = PaymentStarted(
        payer=Person(payer["openid"], "小明"), trade_type=TradeType.JSAPI, client_ip="203.0.113.7", lease_ms=0
    )
    order = after(an_order(title=TITLE, now_ms=now_ms, expires_at_ms=now_ms + 30 * 60_000), begun, now_ms=now_ms)
    payment = order.payments[0]
    await client.prepay(order, payment)
    (await wechat_control.post("/_sim/pay", json={"out_trade_no": payment.out_trade_no})).raise_for_status()
    confirmed = await client.query(payment, evidence=Evidence.QUERY)
    assert isinstance(confirmed, PaymentConfirmed)
    return after(order, confirmed, refund_asked(1, 30), now_ms=now_ms)


async def advance(wechat_control: httpx.AsyncClient, advance_s: int) -> None:
    (await wechat_control.post("/_sim/clock", json={"advance_s": advance_s})).raise_for_status()


def owed(order: Order) -> tuple[Payment, Refund]:
    payment = order.payments[0]
    return payment, payment.refunds[0]


async def refund(client: WeChatPayClient, order: Order) -> RefundProgressed:
    return await client.refund(order, *owed(order))


async def test_a_refund_is_accepted_then_paid_and_a_repeat_pays_it_once(
    client: WeChatPayClient, order: Order, wechat_control: httpx.AsyncClient
) -> None:
    accepted = await refund(client, order)
    assert accepted.state is RefundState.PROCESSING
    assert await refund(client, order) == accepted

    await advance(wechat_control, DAY_S)

    paid_back = await client.query_refund(*owed(order))
    assert (paid_back.state, paid_back.refund_id) == (RefundState.SUCCESS, accepted.refund_id)
    refunds = (await wechat_control.get("/_sim/ledger")).json()["refunds"]
    assert [refund["refund_fee"] for refund in refunds] == [30]


async def test_the_refund_notify_says_which_refund_of_what_was_paid(
    client: WeChatPayClient, merchant: Merchant, order: Order, told: Peer, wechat_control: httpx.AsyncClient
) -> None:
    accepted = await refund(client, order)
    await advance(wechat_control, DAY_S)
    async with asyncio.timeout(DEADLINE_S):
        await told.heard.wait()

    payment = order.payments[0]
    assert parse_refund_notify(told.asked[0].body, merchant) == RefundNotice(
        out_trade_no=payment.out_trade_no,
        out_refund_no=refund_no(),
        transaction_id=payment.transaction_id,
        amount=Fen(30),
        progressed=replace(accepted, state=RefundState.SUCCESS),
    )


async def test_a_refund_wechat_never_heard_of_is_refused(client: WeChatPayClient, order: Order) -> None:
    with pytest.raises(WeChatRefused) as caught:
        await client.query_refund(*owed(order))
    assert caught.value.code == "REFUNDNOTEXIST"


async def test_the_next_days_bill_holds_payment_and_refund(
    client: WeChatPayClient, order: Order, wechat_control: httpx.AsyncClient
) -> None:
    day = BillDay.of(order.created_at_ms).date
    accepted = await refund(client, order)
    await advance(wechat_control, 2 * DAY_S)

    payment_row, *others = (await client.download_bill(day)).rows

    assert payment_row.out_trade_no == order.payments[0].out_trade_no
    assert payment_row.transaction_id == order.payments[0].transaction_id
    assert (payment_row.trade_state, payment_row.amount) == ("SUCCESS", 100)
    assert payment_row.goods == goods_text(TITLE)
    refunds = [(row.trade_state, row.refund_id, row.refund_amount) for row in others]
    assert refunds == [("REFUND", accepted.refund_id, 30)]


async def test_a_day_without_trade_has_no_bill(client: WeChatPayClient) -> None:
    with pytest.raises(NoBill):
        await client.download_bill(date(2020, 1, 1))
