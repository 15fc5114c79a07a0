"""Pressing pay, against a WeChat that answers everything it can answer."""

import asyncio
from dataclasses import replace

import httpx
import pytest

from server.domain.document import order_id_of
from server.domain.events import Evidence, PaymentStarted, Person, TradeState, TradeType
from server.errors import OrderNotPayable, WeChatRefused, WeChatUnavailable
from server.usecases.start_payment import StartedPayment, start_payment
from server.wechat.client import WeChatPayClient
from tests.people import Person as PhoneOwner
from tests.running import Daifu


@pytest.fixture
async def order_id(initiator: PhoneOwner) -> str:
    order_id: str = (await initiator.place_order())["order_id"]
    return order_id


@pytest.fixture
async def payer(wechat_control: httpx.AsyncClient, friend: PhoneOwner) -> Person:
    users = (await wechat_control.get("/_sim/users")).json()
    users = users["users"] if isinstance(users, dict) else users
    openid = next(user["openid"] for user in users if user["nickname"] == friend.name)
    return Person(openid, friend.name)


async def press(daifu: Daifu, order_id: str, payer: Person, *, lease_ms: int = 120_000) -> StartedPayment:
    started = PaymentStarted(payer=payer, trade_type=TradeType.JSAPI, client_ip="127.0.0.1", lease_ms=lease_ms)
    services = daifu.services
    return await start_payment(
        order_id,
        started,
        store=services.store,
        bus=services.bus,
        cache=services.cache,
        gateway=services.gateway,
        clock=services.clock,
    )


async def order_calls(wechat_control: httpx.AsyncClient) -> int:
    calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
    return sum(call["api"] == "unifiedorder" for call in calls)


async def fail(wechat_control: httpx.AsyncClient, **fault: object) -> None:
    answer = await wechat_control.post("/_sim/faults", json={"target": "unifiedorder", **fault})
    assert answer.status_code == 200, answer.text


async def test_pressing_twice_gives_the_same_attempt_and_asks_wechat_once(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person
) -> None:
    first = await press(daifu, order_id, payer)
    second = await press(daifu, order_id, payer)

    assert (second.payment.out_trade_no, second.prepaid) == (first.payment.out_trade_no, first.prepaid)
    assert await order_calls(wechat_control) == 1


async def test_twenty_presses_at_once_make_one_attempt(daifu: Daifu, order_id: str, payer: Person) -> None:
    started = await asyncio.gather(*(press(daifu, order_id, payer) for _ in range(20)))

    assert len({one.payment.out_trade_no for one in started}) == 1
    assert len((await daifu.services.store.get(order_id)).payments) == 1


async def test_a_forgotten_prepay_is_asked_for_again_with_the_same_parameters(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person
) -> None:
    first = await press(daifu, order_id, payer)
    await daifu.services.cache.delete(f"prepay:{first.payment.out_trade_no}")

    second = await press(daifu, order_id, payer)

    assert second.payment.out_trade_no == first.payment.out_trade_no
    assert await order_calls(wechat_control) == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fail_before"},
        {"kind": "fail_after"},
        {"kind": "status", "status": 502},
        {"kind": "garbage"},
        {"kind": "bad_sign"},
        {"kind": "unsigned"},
        {"kind": "error", "code": "SYSTEMERROR", "message": "系统错误"},
    ],
    ids=lambda fault: fault.get("code", fault["kind"]),
)
async def test_an_unknown_outcome_keeps_the_attempt_and_the_next_press_uses_it(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person, fault: dict[str, object]
) -> None:
    await fail(wechat_control, **fault)

    with pytest.raises(WeChatUnavailable):
        await press(daifu, order_id, payer)
    waiting = (await daifu.services.store.get(order_id)).payments[0]
    assert waiting.lease_until_ms == 0  # nobody has to wait for somebody who cannot be paying
    again = await press(daifu, order_id, payer)

    stored = await daifu.services.store.get(order_id)
    assert [p.out_trade_no for p in stored.payments] == [again.payment.out_trade_no]
    ledger = (await wechat_control.get("/_sim/ledger")).json()["orders"]
    assert [line["out_trade_no"] for line in ledger] == [again.payment.out_trade_no]


async def test_a_number_that_wechat_closed_is_replaced_by_a_new_one(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person
) -> None:
    await fail(wechat_control, kind="error", code="ORDERCLOSED", message="订单已关闭")

    started = await press(daifu, order_id, payer)

    closed, fresh = (await daifu.services.store.get(order_id)).payments
    assert (closed.trade_state, fresh.trade_state) == (TradeState.CLOSED, TradeState.NOTPAY)
    assert started.payment.out_trade_no == fresh.out_trade_no


async def test_a_number_ordered_with_other_parameters_gives_way_to_a_new_one(
    daifu: Daifu, order_id: str, payer: Person
) -> None:
    """After daifu's address had changed, a friend who had pressed pay before could never pay the order."""
    services = daifu.services
    moved = replace(services.merchant, notify_url="http://127.0.0.1:9/moved")
    gateway = WeChatPayClient(moved, services.settings.wechat_base_urls)
    first = await press(daifu, order_id, payer)
    await services.cache.delete(f"prepay:{first.payment.out_trade_no}")
    try:
        moved_daifu = replace(daifu, services=replace(services, gateway=gateway))
        started = await press(moved_daifu, order_id, payer)
        again = await press(moved_daifu, order_id, payer)
    finally:
        await gateway.aclose()

    old, fresh = (await services.store.get(order_id)).payments
    assert started.payment.out_trade_no == again.payment.out_trade_no == fresh.out_trade_no
    assert (old.is_given_up, old.is_open, old.lease_until_ms) == (True, True, 0)
    order = await services.store.get(order_id)
    assert f"close:{old.out_trade_no}" in {effect.key for effect in order.effects}


async def test_a_number_that_is_paid_already_is_asked_about_and_booked(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    first = await press(daifu, order_id, payer)
    number = first.payment.out_trade_no
    await wechat_control.post("/_sim/pay", json={"out_trade_no": number, "outcome": "ok"})
    await daifu.services.cache.delete(f"prepay:{number}")

    with pytest.raises(OrderNotPayable) as refused:
        await press(daifu, order_id, payer)

    assert refused.value.state == "PAID"
    stored = await daifu.services.store.get(order_id_of(number))
    assert [(p.trade_state, p.evidence) for p in stored.payments] == [(TradeState.SUCCESS, Evidence.QUERY)]


async def test_a_refusal_that_only_configuration_can_mend_is_passed_on(
    daifu: Daifu, wechat_control: httpx.AsyncClient, order_id: str, payer: Person
) -> None:
    await fail(wechat_control, kind="error", code="NOAUTH", message="商户无此接口权限")

    with pytest.raises(WeChatRefused) as refused:
        await press(daifu, order_id, payer)

    assert refused.value.code == "NOAUTH"
