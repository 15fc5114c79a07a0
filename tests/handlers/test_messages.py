"""An initiator who does not look gets a message of each payment, once; one who looks gets none."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Sandbox
from server.bus.presence import CachedPresence
from server.domain.document import Order
from server.domain.effects import EffectKind
from tests.people import PATIENCE_S, Person, a_client
from tests.running import Daifu, start_daifu


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu that sends messages."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        wechat_template_id="t1",
        wechat_template_fields="thing1=title,thing2=payer,amount3=amount",
        wechat_subscribe_template_id="s1",
        wechat_subscribe_template_fields="thing1=payer",
        wechat_miniprogram_template_id="m1",
        wechat_miniprogram_template_fields="thing1=payer",
        wechat_miniprogram_appid=merchant["miniprogram_appid"],
        wechat_miniprogram_secret=merchant["miniprogram_secret"],
    )
    yield server
    await server.aclose()


class Till:
    """Lets friends pay and reads what the initiator was sent."""

    def __init__(self, daifu: Daifu, control: httpx.AsyncClient) -> None:
        self._daifu = daifu
        self.control = control

    async def pay(self, friend: Person, order_id: str) -> str:
        out_trade_no = await friend.start_payment(order_id)
        paid = await self.control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        assert paid.status_code == 200, paid.text
        return out_trade_no

    async def told(self, order_id: str, *, shares: int = 1, tries: int | None = None) -> Order:
        """Return the order once so many shares are paid and nothing is left to tell, or was tried so often."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                order = await self._daifu.services.store.get(order_id)
                telling = [effect for effect in order.effects if effect.kind is EffectKind.TELL_INITIATOR]
                if len(order.held_shares) == shares and all(effect.tries == tries for effect in telling):
                    return order
                await asyncio.sleep(0.01)  # nothing tells of an effect but asking

    async def nobody_watches(self, order_id: str) -> None:
        """Return when the server knows that the initiator has gone."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._daifu.services.presence.is_watching(order_id):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)

    async def messages(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control.get("/_sim/messages")).json()["messages"]
        return found

    async def calls(self, api: str) -> int:
        calls = (await self.control.get("/_sim/calls")).json()["calls"]
        return [call["api"] for call in calls].count(api)


@pytest.fixture
def till(daifu: Daifu, wechat_control: httpx.AsyncClient) -> Till:
    return Till(daifu, wechat_control)


async def test_a_message_is_sent_once_when_nobody_looks(
    daifu: Daifu, till: Till, initiator: Person, friend: Person
) -> None:
    order_id = (await initiator.place_order(title="两杯奶茶"))["order_id"]
    out_trade_no = await till.pay(friend, order_id)
    await till.told(order_id)
    await friend.confirm(order_id, out_trade_no)

    [message] = await till.messages()
    assert message["data"] == {"thing1": "两杯奶茶", "thing2": "小明", "amount3": "¥18.00"}
    assert (message["url"], message["client_msg_id"]) == (f"{daifu.url}/orders/{order_id}", out_trade_no)


async def test_none_is_sent_while_he_looks_and_one_is_after_he_has_gone(
    till: Till, initiator: Person, friend: Person, other_friend: Person
) -> None:
    order_id = (await initiator.place_order(shares=2))["order_id"]
    page = await initiator.watch(order_id)
    await page.next_state()
    await till.pay(friend, order_id)
    await till.told(order_id)
    assert await till.messages() == []

    page.close()
    await till.nobody_watches(order_id)
    await till.pay(other_friend, order_id)
    await till.told(order_id, shares=2)

    assert [message["data"]["thing2"] for message in await till.messages()] == ["老王"]


async def test_a_friend_who_looks_does_not_keep_the_message_from_him(
    till: Till, initiator: Person, friend: Person, other_friend: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    page = await other_friend.watch(order_id)
    await page.next_state()
    await till.pay(friend, order_id)
    await till.told(order_id)
    assert len(await till.messages()) == 1


async def test_paying_for_oneself_tells_nobody(till: Till, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    await till.pay(initiator, order_id)
    await till.told(order_id)
    assert await till.messages() == []


@pytest.mark.parametrize("errcode", [43004, 40037])
async def test_what_wechat_refuses_is_let_go(till: Till, initiator: Person, friend: Person, errcode: int) -> None:
    await till.control.post("/_sim/faults", json={"target": "message", "kind": "error", "code": errcode, "times": 0})
    order_id = (await initiator.place_order())["order_id"]
    await till.pay(friend, order_id)
    await till.told(order_id)
    assert await till.calls("template") == 1


async def test_who_follows_no_account_is_told_by_the_message_he_agreed_to(
    till: Till, daifu: Daifu, initiator: Person, friend: Person
) -> None:
    await till.control.post("/_sim/faults", json={"target": "message", "kind": "error", "code": 43004})
    order_id = (await initiator.place_order())["order_id"]
    openid = (await daifu.services.store.get(order_id)).initiator.openid
    await till.control.post("/_sim/messages", json={"openid": openid, "template_id": "s1"})
    await till.pay(friend, order_id)
    await till.told(order_id)

    [message] = await till.messages()
    assert (message["kind"], message["data"]) == ("subscribe", {"thing1": "小明"})
    assert message["url"] == f"{daifu.url}/orders/{order_id}"


async def test_who_came_by_the_mini_program_is_told_there(till: Till, daifu: Daifu, friend: Person) -> None:
    code = (await till.control.post("/_sim/js_code", json={"persona": "老王"})).json()["js_code"]
    async with a_client(daifu.url) as phone:
        token = (await phone.post("/auth/miniprogram", json={"code": code})).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}
        placed = await phone.post("/api/orders", json={"title": "奶茶", "amount": 1800}, headers=bearer)
    order_id = placed.json()["order"]["order_id"]
    openid = (await daifu.services.store.get(order_id)).initiator.openid
    await till.control.post("/_sim/messages", json={"openid": openid, "template_id": "m1"})
    await till.pay(friend, order_id)
    await till.told(order_id)

    assert [(message["kind"], message["touser"]) for message in await till.messages()] == [("miniprogram", openid)]


@pytest.mark.parametrize("fault", [{"kind": "fail_after"}, {"kind": "error", "code": -1}])
async def test_with_an_unknown_outcome_it_is_tried_again_and_sent_once(
    till: Till, daifu: Daifu, initiator: Person, friend: Person, fault: dict[str, object]
) -> None:
    await till.control.post("/_sim/faults", json={"target": "message", **fault})
    order_id = (await initiator.place_order())["order_id"]
    await till.pay(friend, order_id)
    await till.told(order_id, tries=1)
    await till.told(order_id)  # a few seconds later
    assert len(await till.messages()) == 1


async def test_a_token_somebody_else_has_replaced_costs_one_more_call(
    till: Till, daifu: Daifu, initiator: Person, friend: Person, other_friend: Person
) -> None:
    order_id = (await initiator.place_order(shares=2))["order_id"]
    await till.pay(friend, order_id)
    await till.told(order_id)
    settings = daifu.services.settings
    forced = await till.control.post(
        "/cgi-bin/stable_token",
        json={
            "grant_type": "client_credential",
            "appid": settings.wechat_appid,
            "secret": settings.wechat_app_secret.get_secret_value(),
            "force_refresh": True,
        },
    )
    assert "access_token" in forced.json()
    await till.pay(other_friend, order_id)
    await till.told(order_id, shares=2)

    assert len(await till.messages()) == 2
    assert (await till.calls("template"), await till.calls("stable_token")) == (3, 3)


async def test_an_initiator_on_another_process_is_seen_until_he_leaves_it(daifu: Daifu) -> None:
    here, there = CachedPresence(daifu.services.cache), CachedPresence(daifu.services.cache)
    assert not await here.is_watching("01HZX")
    for _ in range(2):
        await there.arrive("01HZX")
    there.leave("01HZX")
    assert await here.is_watching("01HZX")

    there.leave("01HZX")
    await there.aclose()
    assert not await here.is_watching("01HZX")
