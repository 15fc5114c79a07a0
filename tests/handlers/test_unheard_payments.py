"""WeChat's notify never comes: whoever looks learns that it is paid, and so does everybody else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import Sandbox
from server.bus.local import LocalBus
from server.bus.ringing import RingingBus
from server.domain.events import Evidence
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, ShiftedClock, start_daifu


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
async def daifu(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, clock: ShiftedClock, tmp_path: Path
) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        parts=lambda services: replace(
            services, clock=clock, bus=RingingBus(LocalBus(services.hub), services.bell, clock)
        ),
    )
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    yield server
    await server.aclose()


@pytest.fixture
async def attempt(initiator: Person, friend: Person) -> tuple[str, str]:
    """An order's id and the number of 小明's attempt at it."""
    order_id = (await initiator.place_order())["order_id"]
    return order_id, await friend.start_payment(order_id)


async def pay(wechat_control: httpx.AsyncClient, out_trade_no: str) -> None:
    answer = await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    assert answer.status_code == 200, answer.text


async def questions(wechat_control: httpx.AsyncClient) -> list[dict[str, Any]]:
    calls = (await wechat_control.get("/_sim/calls")).json()["calls"]
    return [call for call in calls if call["api"] == "orderquery"]


async def asked_until_they_are_rare(daifu: Daifu, clock: ShiftedClock, order_id: str) -> None:
    """Move time on until the next question is more than a minute away."""
    for step_s in (6, 16, 31, 61):
        rev = (await daifu.services.store.get(order_id)).rev
        clock.ahead_ms += step_s * 1000
        daifu.services.bell.set()
        async with asyncio.timeout(PATIENCE_S):
            while (await daifu.services.store.get(order_id)).rev == rev:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.005)
    clock.ahead_ms += 15_000  # and nobody has asked for a while


async def test_the_payers_page_asks_and_it_is_paid_at_once(
    daifu: Daifu, initiator: Person, friend: Person, attempt: tuple[str, str], wechat_control: httpx.AsyncClient
) -> None:
    order_id, out_trade_no = attempt
    page = await initiator.watch(order_id)
    await page.next_state()
    await pay(wechat_control, out_trade_no)

    answer = await friend.confirm(order_id, out_trade_no)

    assert answer.json()["order"]["state"] == "PAID"
    await page.until_state("PAID")
    assert (await daifu.services.store.get(order_id)).payments[0].evidence is Evidence.RETURN


async def test_nobody_asks_and_the_page_hears_of_it_with_the_ladders_first_question(
    daifu: Daifu,
    clock: ShiftedClock,
    initiator: Person,
    attempt: tuple[str, str],
    wechat_control: httpx.AsyncClient,
) -> None:
    order_id, out_trade_no = attempt
    page = await initiator.watch(order_id)
    await pay(wechat_control, out_trade_no)

    clock.ahead_ms += 5000
    daifu.services.bell.set()

    await page.until_state("PAID")


@pytest.mark.parametrize("who", ["initiator", "friend"])
async def test_whoever_waits_for_it_opens_his_page_and_wechat_is_asked(
    who: str,
    daifu: Daifu,
    clock: ShiftedClock,
    initiator: Person,
    friend: Person,
    attempt: tuple[str, str],
    wechat_control: httpx.AsyncClient,
) -> None:
    order_id, out_trade_no = attempt
    await asked_until_they_are_rare(daifu, clock, order_id)
    await pay(wechat_control, out_trade_no)

    page = await {"initiator": initiator, "friend": friend}[who].watch(order_id)

    await page.until_state("PAID")
    assert (await daifu.services.store.get(order_id)).payments[0].evidence is Evidence.QUERY


async def test_opened_again_and_again_the_page_has_wechat_asked_once(
    daifu: Daifu,
    clock: ShiftedClock,
    initiator: Person,
    other_friend: Person,
    attempt: tuple[str, str],
    wechat_control: httpx.AsyncClient,
) -> None:
    order_id, _ = attempt
    await asked_until_they_are_rare(daifu, clock, order_id)
    before = len(await questions(wechat_control))

    page = await initiator.watch(order_id)
    await page.next_state()
    async with asyncio.timeout(PATIENCE_S):
        while len(await questions(wechat_control)) == before:
            pass
    rev = (await page.next_state())["rev"]
    for person in [initiator] * 5 + [other_friend]:
        again = await person.watch(order_id)
        await again.next_state()

    assert len(await questions(wechat_control)) == before + 1
    assert (await daifu.services.store.get(order_id)).rev <= rev + 1  # the answer itself
