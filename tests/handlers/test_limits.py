"""Whoever asks too often waits; nobody else does, and no notify."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from handlers.limits import Limits
from handlers.problems import ApiError
from sandbox.app import Sandbox
from server.cache.redis import RedisCache
from settings import load_settings
from tests.people import Person
from tests.redis_server import RedisServer
from tests.running import Daifu, start_daifu


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        rate_orders_per_min=2,
        rate_payments_per_min=1,
        rate_logins_per_min=3,
    )
    yield server
    await server.aclose()


async def test_the_one_order_too_many_is_refused_with_a_time_to_wait_and_stores_nothing(
    initiator: Person, friend: Person
) -> None:
    for _ in range(2):
        await initiator.place_order()

    refused = await initiator.http.post("/api/orders", json={"title": "奶茶", "amount": 100})

    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "60"
    assert refused.json()["error"]["code"] == "too_many_requests"
    assert len((await initiator.http.get("/api/orders")).json()["orders"]) == 2
    await friend.place_order()  # another person is not concerned


async def test_bad_input_does_not_count(initiator: Person) -> None:
    for _ in range(5):
        assert (await initiator.http.post("/api/orders", json={"title": "", "amount": 0})).status_code == 400

    await initiator.place_order()


async def test_a_payment_too_many_is_refused_and_its_notify_is_booked_all_the_same(
    initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    page = await initiator.watch(order_id)
    out_trade_no = await friend.start_payment(order_id)

    again = await friend.press_pay(order_id)
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no})

    assert again.status_code == 429
    assert (await page.until_state("PAID"))[-1]["order"]["paid_shares"] == 1


async def test_logins_are_counted_by_address(daifu: Daifu, initiator: Person, friend: Person) -> None:
    async with Person("老王", daifu.url) as third, Person("小刚", daifu.url) as fourth:
        assert (await third.log_in()).status_code == 302
        assert (await fourth.log_in()).status_code == 429


@pytest.mark.redis
async def test_processes_count_together_and_each_for_itself_while_redis_is_gone(redis_server: RedisServer) -> None:
    settings = load_settings(_env_file=None, rate_orders_per_min=2)
    caches = [await RedisCache.open(redis_server.url) for _ in range(2)]
    one, two = (Limits(cache, settings) for cache in caches)
    try:
        await one.check("orders", "o-1")
        await two.check("orders", "o-1")
        with pytest.raises(ApiError, match="429"):
            await one.check("orders", "o-1")

        redis_server.kill()
        await one.check("orders", "o-2")
        await one.check("orders", "o-2")
        await two.check("orders", "o-2")
        with pytest.raises(ApiError, match="429"):
            await one.check("orders", "o-2")
    finally:
        for cache in caches:
            await cache.aclose()
