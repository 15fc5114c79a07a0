"""What the operator hears of the orders, and what he can do with one."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.domain.days import day_of
from server.domain.events import EffectParked
from server.usecases.change_order import change_order
from tests.handlers.test_refunds import until
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu


@pytest.fixture
async def operator(daifu: Daifu) -> AsyncIterator[httpx.AsyncClient]:
    """The operator, at this machine."""
    async with a_client(daifu.url, headers={"Accept-Language": "en"}) as http:
        yield http


async def the_stats(operator: httpx.AsyncClient, daifu: Daifu, **window: str) -> dict[str, Any]:
    await daifu.services.traces.aclose()
    await daifu.services.stats_keeper.bring_up_to_date()
    answer = await operator.get("/api/stats", params=window)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def paid_order(
    daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> tuple[str, str]:
    """Return the id of an order the friend has paid, and the payment's number."""
    order_id = str((await initiator.place_order())["order_id"])
    out_trade_no = await friend.start_payment(order_id)
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await until(daifu, order_id, lambda order: order.state == "PAID")
    return order_id, out_trade_no


class TestTheFunnel:
    async def test_each_step_of_a_real_payment_is_counted_once(
        self,
        daifu: Daifu,
        initiator: Person,
        friend: Person,
        wechat_control: httpx.AsyncClient,
        operator: httpx.AsyncClient,
    ) -> None:
        names = ("created", "shared", "opened", "started", "paid", "kept")
        nothing = dict.fromkeys(names, 0)
        assert (await the_stats(operator, daifu))["funnel"] == nothing
        order_id = (await initiator.place_order())["order_id"]
        await initiator.http.get(f"/pay/{order_id}")  # his own look is none
        assert (await the_stats(operator, daifu))["funnel"] == nothing | {"created": 1}
        for _ in range(3):
            assert (await initiator.http.post(f"/api/orders/{order_id}/shared", json={})).status_code == 204
        assert (await the_stats(operator, daifu))["funnel"] == nothing | {"created": 1, "shared": 1}
        for _ in range(3):
            await friend.http.get(f"/pay/{order_id}")
        assert (await the_stats(operator, daifu))["funnel"] == nothing | {"created": 1, "shared": 1, "opened": 1}

        out_trade_no = await friend.start_payment(order_id)
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
        await until(daifu, order_id, lambda order: order.state == "PAID")

        stats = await the_stats(operator, daifu)
        assert stats["funnel"] == dict.fromkeys(names, 1)
        assert stats["evidence"] == {"notify": 1}
        assert stats["delay"]["count"] == 1
        assert stats["fission"] == {"seed": 1, "new": 1, "k": None, "ratio": 1.0}
        assert stats["success"]["gross"] is None  # its half hour is not over
        assert stats["days"][-1]["payments"] == {"count": 1, "amount": 1800}

    async def test_only_the_initiator_shares_his_order(self, initiator: Person, friend: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]

        problem(await friend.http.post(f"/api/orders/{order_id}/shared", json={}), 404, "order_not_found")


class TestTheWindow:
    @pytest.mark.parametrize(
        ("window", "field", "reason"),
        [
            ({"from": "yesterday"}, "from", "not_a_day"),
            ({"to": "2026-02-30"}, "to", "not_a_day"),
            ({"to": "2026-1-1"}, "to", "not_a_day"),
            ({"from": "0001-01-01"}, "from", "not_a_day"),
            ({"from": "2026-01-02", "to": "2026-01-01"}, "from", "day_order"),
            ({"from": "2020-01-01", "to": "2026-01-01"}, "from", "too_many_days"),
        ],
    )
    async def test_what_is_no_window_is_refused_by_its_field(
        self, operator: httpx.AsyncClient, window: dict[str, str], field: str, reason: str
    ) -> None:
        detail = problem(await operator.get("/api/stats", params=window), 400, "bad_request")

        assert (detail["field"], detail["reason"]) == (field, reason)

    async def test_it_is_the_last_thirty_days_unless_said_otherwise(
        self, daifu: Daifu, operator: httpx.AsyncClient
    ) -> None:
        stats = await the_stats(operator, daifu)

        assert (stats["to"], len(stats["days"])) == (day_of(daifu.services.clock.now_ms()), 30)

    async def test_the_table_has_a_row_for_each_day_with_the_same_numbers(
        self, daifu: Daifu, initiator: Person, operator: httpx.AsyncClient
    ) -> None:
        await initiator.place_order()
        stats = await the_stats(operator, daifu)

        answer = await operator.get("/api/stats.csv", params={"from": stats["from"], "to": stats["to"]})

        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert f"daifu-{stats['from']}-{stats['to']}.csv" in answer.headers["content-disposition"]
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["day"] for row in rows] == [day["day"] for day in stats["days"]]
        assert (rows[-1]["created"], rows[-1]["success_gross"]) == ("1", "")


class TestOneOrder:
    async def test_its_whole_story_is_found_by_any_of_its_numbers_and_shows_no_openid(
        self,
        daifu: Daifu,
        initiator: Person,
        friend: Person,
        wechat_control: httpx.AsyncClient,
        operator: httpx.AsyncClient,
    ) -> None:
        order_id, out_trade_no = await paid_order(daifu, initiator, friend, wechat_control)
        stored = await daifu.services.store.get(order_id)

        for number in (order_id, out_trade_no, f"{out_trade_no}R1", order_id.lower()):
            answer = await operator.get(f"/api/admin/orders/{number}")
            order = answer.json()["order"]
            assert order["order_id"] == order_id
            [payment] = order["payments"]
            assert (payment["evidence"], payment["transaction_id"]) == ("notify", stored.payments[0].transaction_id)
            assert payment["settled_at_ms"] == stored.payments[0].settled_at_ms
            for openid in (stored.initiator.openid, stored.payments[0].payer.openid):
                assert openid not in answer.text
        problem(await operator.get("/api/admin/orders/nonsense"), 404, "order_not_found")

    async def test_money_goes_back_and_an_order_is_closed_by_hand(
        self,
        daifu: Daifu,
        initiator: Person,
        friend: Person,
        wechat_control: httpx.AsyncClient,
        operator: httpx.AsyncClient,
    ) -> None:
        order_id, _ = await paid_order(daifu, initiator, friend, wechat_control)
        refunded = await operator.post(f"/api/admin/orders/{order_id}/refund", json={})
        assert refunded.json()["order"]["payments"][0]["refunds"][0]["amount"] == 1800

        other = (await initiator.place_order())["order_id"]
        closed = await operator.post(f"/api/admin/orders/{other}/close", json={})
        assert closed.json()["order"]["state"] == "CLOSED"
        problem(await operator.post(f"/api/admin/orders/{other}/refund", json={}), 409, "transition_not_possible")

    async def test_a_parked_effect_is_listed_and_tried_again(
        self, daifu: Daifu, initiator: Person, operator: httpx.AsyncClient
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        services = daifu.services
        parked = EffectParked("expire", "by hand")
        await change_order(order_id, parked, store=services.store, bus=services.bus, clock=services.clock)
        listed = {"order_id": order_id, "effect": "expire", "reason": "by hand", "tries": 0}
        assert (await the_stats(operator, daifu))["parked"] == [listed]

        answer = await operator.post(f"/api/admin/orders/{order_id}/retry", json={"effect": "expire"})

        assert [effect["parked"] for effect in answer.json()["order"]["effects"]] == [False]
        assert (await the_stats(operator, daifu))["parked"] == []
        problem(await operator.post(f"/api/admin/orders/{order_id}/retry", json={}), 400, "bad_request")
