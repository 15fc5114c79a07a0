"""Keys change while payments go on: no notify is refused, and which key proved each one is counted."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.app import Sandbox
from tests.handlers.test_scenes import v3_settings
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu

ORDERS: Final = 24
AT_ONCE: Final = 4
NEW_KEY: Final = "abcdefghijABCDEFGHIJ0123456789zZ"


@pytest.fixture
async def merchant(wechat_control: httpx.AsyncClient) -> dict[str, Any]:
    known: dict[str, Any] = (await wechat_control.get("/_sim/merchant")).json()
    return known


@asynccontextmanager
async def running(wechat: Sandbox, merchant: dict[str, Any], folder: Path, **settings: Any) -> AsyncIterator[Daifu]:
    daifu = await start_daifu(data_dir=folder, wechat_url=wechat.url, merchant=merchant, **settings)
    try:
        yield daifu
    finally:
        await daifu.aclose()


async def pay_while_keys_change(
    daifu: Daifu, wechat_control: httpx.AsyncClient, changes: Mapping[int, dict[str, Any]]
) -> None:
    """Pay `ORDERS` orders, a few at a time; after as many payments as `changes` says the keys change in between."""
    async with Person("小红", daifu.url) as initiator, Person("小明", daifu.url) as friend:
        for person in (initiator, friend):
            await person.log_in()
        pages, waiting = [], []
        for _ in range(ORDERS):
            order_id = (await initiator.place_order())["order_id"]
            pages.append(await initiator.watch(order_id))
            waiting.append(await friend.start_payment(order_id))
        paid = 0

        async def pay() -> None:
            nonlocal paid
            while waiting:
                asked = {"out_trade_no": waiting.pop(), "outcome": "ok"}
                assert (await wechat_control.post("/_sim/pay", json=asked)).status_code == 200
                paid += 1
                if paid in changes:
                    assert (await wechat_control.post("/_sim/keys", json=changes[paid])).status_code == 200

        await asyncio.gather(*(pay() for _ in range(AT_ONCE)))
        for page in pages:
            await page.until_state("PAID")


def counted(daifu: Daifu, name: str) -> dict[tuple[str, ...], int]:
    (metric,) = getattr(daifu.services.metrics, name).collect()
    return {tuple(sample.labels.values()): int(sample.value) for sample in metric.samples if sample.value}


async def test_from_a_platform_certificate_to_the_public_key_step_by_step(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, merchant: dict[str, Any], tmp_path: Path
) -> None:
    await wechat_control.post("/_sim/keys", json={"platform": "certificate"})
    steps: dict[int, dict[str, Any]] = {
        6: {"public_key_percent": 10},
        12: {"public_key_percent": 50},
        18: {"platform": "public_key"},
    }

    async with running(wechat, merchant, tmp_path, wechat_api="v3", **v3_settings(merchant, tmp_path)) as daifu:
        await pay_while_keys_change(daifu, wechat_control, steps)

        assert counted(daifu, "notifies") == {("v3", "settled", ""): ORDERS}
        proved = counted(daifu, "notify_keys")

    platform = merchant["platform"]
    signers = {key: times for (kind, key), times in proved.items() if kind == "platform"}
    assert set(signers) == {platform["public_key_id"], *platform["certificate_serials"]}
    assert sum(signers.values()) == proved["api_v3_key", "1"] == ORDERS


@pytest.mark.parametrize(("api", "kind", "route"), [("v2", "api_key", "pay"), ("v3", "api_v3_key", "v3")])
async def test_from_one_key_of_ours_to_another(
    wechat: Sandbox,
    wechat_control: httpx.AsyncClient,
    merchant: dict[str, Any],
    tmp_path: Path,
    api: str,
    kind: str,
    route: str,
) -> None:
    both = {f"wechat_{kind}s": f"{merchant[kind]},{NEW_KEY}"}
    settings = {**v3_settings(merchant, tmp_path), **both, "wechat_api": api}

    async with running(wechat, merchant, tmp_path, **settings) as daifu:
        await pay_while_keys_change(daifu, wechat_control, {ORDERS // 2: {kind: NEW_KEY}})

        assert counted(daifu, "notifies") == {(route, "settled", ""): ORDERS}
        proved = counted(daifu, "notify_keys")

    assert proved[kind, "1"] + proved[kind, "2"] == ORDERS
    assert proved[kind, "2"] >= ORDERS // 2 - AT_ONCE


async def test_a_v2_key_is_changed_by_restarts_and_no_notify_is_lost(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, merchant: dict[str, Any], tmp_path: Path
) -> None:
    """The runbook's steps: the new key first, a restart, the change at WeChat; a day later the old one goes."""
    old_key = merchant["api_key"]
    async with running(wechat, merchant, tmp_path, wechat_api_keys=old_key) as before:
        port = before.port
        async with Person("小红", before.url) as person:
            await person.log_in()
            orders = [(await person.place_order())["order_id"] for _ in range(3)]
            waiting = [await person.start_payment(order_id) for order_id in orders]

    async def pay(nth: int) -> None:
        paid = await wechat_control.post("/_sim/pay", json={"out_trade_no": waiting[nth], "outcome": "ok"})
        assert paid.status_code == 200, paid.text

    await pay(0)  # nobody is there to be told, so WeChat will tell it again
    await until_sent(wechat_control, 1)
    async with running(wechat, merchant, tmp_path, wechat_api_keys=f"{NEW_KEY},{old_key}", on_port=port) as during:
        await pay(1)
        await until_sent(wechat_control, 2)
        await wechat_control.post("/_sim/keys", json={"api_key": NEW_KEY})
        await wechat_control.post("/_sim/clock", json={"advance_s": 15})
        await until_sent(wechat_control, 3)
        assert {verdict for _, verdict, _ in counted(during, "notifies")} <= {"settled", "repeat"}
    async with running(wechat, merchant, tmp_path, wechat_api_keys=NEW_KEY, on_port=port) as after:
        await pay(2)
        await until_sent(wechat_control, 4)
        states = [(await after.services.store.get(order_id)).state for order_id in orders]

    assert states == ["PAID"] * 3
    answers = [notify["answer"] for notify in (await wechat_control.get("/_sim/calls")).json()["notifies"]]
    assert answers[1:] == ["SUCCESS"] * 3


async def until_sent(wechat_control: httpx.AsyncClient, times: int) -> None:
    """Return once WeChat has posted so many notifies and has heard an answer, or none, to each."""
    async with asyncio.timeout(PATIENCE_S):
        while len((await wechat_control.get("/_sim/calls")).json()["notifies"]) < times:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.01)
