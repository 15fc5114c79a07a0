"""The main job through the public addresses: an order, a friend's payment, a verified notify, a live push."""

import asyncio
from typing import Any

import httpx

from tests.people import Page, Person
from tests.running import Daifu


async def pay(wechat_control: httpx.AsyncClient, out_trade_no: str) -> dict[str, Any]:
    answer = await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    assert answer.status_code == 200, answer.text
    paid: dict[str, Any] = answer.json()
    return paid


async def test_the_initiators_page_changes_when_a_friend_pays(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
) -> None:
    order = await initiator.place_order(title="生日蛋糕", amount=12800, note="谢谢你")
    page = await initiator.watch(order["order_id"])
    first = await page.next_state()
    assert (first["rev"], first["order"]["state"], first["order"]["my_role"]) == (1, "OPEN", "initiator")

    out_trade_no = await friend.start_payment(order["order_id"])
    paying = await page.next_state()
    assert paying["order"]["payments"][0]["payer"]["name"] == "小明"
    assert paying["order"]["payments"][0]["trade_state"] == "NOTPAY"

    await pay(wechat_control, out_trade_no)
    frames = await page.until_state("PAID")
    paid = frames[-1]["order"]
    assert (paid["paid_shares"], paid["paid_amount"]) == (1, 12800)
    assert paid["payments"][0]["trade_state"] == "SUCCESS"
    assert await friend.read_order(order["order_id"]) | {"my_role": "initiator", "rev": paid["rev"]} == paid | {
        "payments": (await friend.read_order(order["order_id"]))["payments"]
    }
    page.close()


async def test_a_split_order_is_paid_when_its_last_share_is(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, other_friend: Person
) -> None:
    order = await initiator.place_order(amount=1000, shares=3)
    assert order["share_amounts"] == [334, 333, 333]
    page = await initiator.watch(order["order_id"])

    for number, person in enumerate((friend, other_friend, initiator), start=1):
        out_trade_no = await person.start_payment(order["order_id"])
        await pay(wechat_control, out_trade_no)
        while True:
            frame = await page.next_state()
            if frame["order"]["paid_shares"] == number:
                break

    assert frame["order"]["state"] == "PAID"
    assert frame["order"]["paid_amount"] == 1000
    page.close()


async def test_confirm_asks_wechat_when_the_notify_is_lost(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    order = await initiator.place_order()
    out_trade_no = await friend.start_payment(order["order_id"])

    before = await friend.confirm(order["order_id"], out_trade_no)
    assert before.json()["trade_state"] == "NOTPAY"

    await pay(wechat_control, out_trade_no)
    after = await friend.confirm(order["order_id"], out_trade_no)
    assert after.json()["trade_state"] == "SUCCESS"
    assert after.json()["order"]["state"] == "PAID"
    stored = await daifu.services.store.get(order["order_id"])
    assert stored.payments[0].evidence == "return"


async def test_fifty_copies_of_one_notify_make_one_change_and_one_push(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "duplicate", "n": 50})
    order = await initiator.place_order()
    out_trade_no = await friend.start_payment(order["order_id"])
    page = await initiator.watch(order["order_id"])
    before = await page.next_state()

    await pay(wechat_control, out_trade_no)
    paid = await page.next_state()
    answers = await notifies(wechat_control, out_trade_no, 50)

    assert [answer["answer"] for answer in answers] == ["SUCCESS"] * 50
    assert (paid["rev"], paid["order"]["state"]) == (before["rev"] + 1, "PAID")
    assert (await initiator.read_order(order["order_id"]))["events"] == paid["order"]["events"]
    assert await nothing_more(page)
    page.close()


async def test_two_friends_paying_one_share_at_once_leave_one_applied_and_one_owed_back(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, other_friend: Person
) -> None:
    order = await initiator.place_order(amount=990)
    numbers = []
    for person in (friend, other_friend):
        numbers.append(await person.start_payment(order["order_id"]))
        await person.http.post(f"/api/orders/{order['order_id']}/payments/{numbers[-1]}/cancel", json={})

    await asyncio.gather(*(pay(wechat_control, number) for number in numbers))
    for number in numbers:
        await notifies(wechat_control, number, 1)

    stored = await daifu.services.store.get(order["order_id"])
    applied = [p for p in stored.payments if p.share is not None]
    returned = [p for p in stored.payments if p.share is None]
    assert (stored.state, len(applied), len(returned)) == ("PAID", 1, 1)
    assert [(r.amount, r.reason) for r in returned[0].refunds] == [(990, "second_money")]
    refund = await refunded(wechat_control)
    assert (refund["out_trade_no"], refund["refund_fee"]) == (returned[0].out_trade_no, 990)


async def refunded(wechat_control: httpx.AsyncClient) -> dict[str, Any]:
    """Wait until WeChat was asked for a refund; return it, the only one."""
    async with asyncio.timeout(10):
        while not (refunds := (await wechat_control.get("/_sim/ledger")).json()["refunds"]):
            pass
    [refund] = refunds
    assert isinstance(refund, dict)
    return refund


async def notifies(wechat_control: httpx.AsyncClient, out_trade_no: str, count: int) -> list[dict[str, Any]]:
    """Wait until WeChat noted this many answered notifies of the attempt."""
    async with asyncio.timeout(10):
        while True:
            calls = (await wechat_control.get("/_sim/calls")).json()["notifies"]
            found = [c for c in calls if c["out_trade_no"] == out_trade_no and c["answer"]]
            if len(found) >= count:
                return found


async def nothing_more(page: Page) -> bool:
    """A marker after the fact: the next thing on the socket is the pong of our own ping, so nothing was queued."""
    pong = asyncio.get_running_loop().create_future()
    page.connection.on_pong = pong.set_result  # type: ignore[assignment,method-assign]
    page.connection.ping(b"marker")
    read = asyncio.ensure_future(page.next_state())
    await asyncio.wait({read, pong}, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    silent = pong.done() and not read.done()
    read.cancel()
    return silent
