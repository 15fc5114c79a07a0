"""The merchant API, called as the merchant's own server calls it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from sandbox.app import Sandbox
from server.domain.merchant_key import Scope
from tests.handlers.merchants import MerchantServer, a_key
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu, start_daifu
from tests.stored import stored

KEY, LINE = a_key("shop")
READER, READER_LINE = a_key("reader", [Scope.ORDERS_READ])

RATE_PER_MIN: Final = 60

WRONG_ORDERS: Final[tuple[tuple[dict[str, Any], str, str], ...]] = (
    ({"merchant_order_no": ""}, "merchant_order_no", "order_no"),
    ({"merchant_order_no": "第一单"}, "merchant_order_no", "order_no"),
    ({"merchant_order_no": "A" * 65}, "merchant_order_no", "order_no"),
    ({"merchant_order_no": 7}, "merchant_order_no", "type"),
    ({"amount": 0}, "amount", "min"),
    ({"amount": 10**8}, "amount", "max"),
    ({"title": "  "}, "title", "blank"),
    ({"shares": [1, 2]}, "shares", "shares_sum"),
    ({"expires_in_s": 1}, "expires_in_s", "min"),
    ({"initiator_openid": "nobody"}, "initiator_openid", "unknown_user"),
    ({"openid": "o"}, "openid", "unknown"),
)
WRONG_QUERIES: Final = (
    ("limit=0", "limit", "min"),
    ("limit=101", "limit", "max"),
    ("limit=ten", "limit", "type"),
    ("state=paid", "state", "unsupported"),
    ("before=x", "before", "not_a_cursor"),
    ("created_from_ms=-1", "created_from_ms", "type"),
    ("created_to_ms=281474976710656", "created_to_ms", "max"),
    ("merchant_order_no=", "merchant_order_no", "order_no"),
    ("page=2", "page", "unknown"),
)


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        merchant_api_keys=f"{LINE},{READER_LINE}",
        merchant_name="某某奶茶",
        reward_initiator_points=10,
        rate_merchant_per_min=RATE_PER_MIN,
    )
    yield server
    await server.aclose()


@pytest.fixture
async def shop(daifu: Daifu) -> AsyncIterator[MerchantServer]:
    shop = MerchantServer(daifu.url, KEY)
    yield shop
    await shop.http.aclose()


async def paid_order(shop: MerchantServer, friend: Person, control: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Return an order of the shop's that the friend has paid."""
    order = await shop.placed(**fields)
    out_trade_no = await friend.start_payment(order["order_id"])
    page = await friend.watch(order["order_id"])
    await control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    await page.until_state("PAID")
    return await shop.read(order["order_id"])


class TestPlacing:
    async def test_fifty_creates_at_once_under_one_key_are_one_order_and_equal_answers(
        self, daifu: Daifu, shop: MerchantServer
    ) -> None:
        answers = await asyncio.gather(*(shop.create(key="k-1") for _ in range(50)))

        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len(stored(daifu)["orders"]) == 1

    async def test_the_merchant_itself_asks_unless_it_names_somebody(
        self, shop: MerchantServer, daifu: Daifu, initiator: Person, wechat_control: httpx.AsyncClient
    ) -> None:
        users = (await wechat_control.get("/_sim/users")).json()
        openid = next(user["openid"] for user in users if user["nickname"] == "小红")

        own = await shop.placed("A-1", note="谢谢")
        hers = await shop.placed("A-2", initiator_openid=openid, shares=[1000, 800])

        assert (own["initiator"]["name"], own["merchant_order_no"], own["note"]) == ("某某奶茶", "A-1", "谢谢")
        assert own["pay_url"] == f"{daifu.url}/pay/{own['order_id']}"
        assert (hers["initiator"]["name"], hers["share_amounts"]) == ("小红", [1000, 800])
        assert (await initiator.read_order(hers["order_id"]))["my_role"] == "initiator"
        kept = [await daifu.services.store.get(order["order_id"]) for order in (own, hers)]
        assert [order.earns for order in kept] == [False, True]  # the merchant earns no points

    async def test_a_number_is_one_order_and_the_same_request_finds_it(
        self, daifu: Daifu, shop: MerchantServer
    ) -> None:
        first = await shop.placed("A-1")

        assert await shop.placed("A-1") == first
        assert await shop.placed("A-1", key="a key it had not sent") == first
        before = stored(daifu)
        detail = problem(await shop.create("A-1", amount=1801), 409, "merchant_order_no_taken")
        assert detail["field"] == "merchant_order_no"
        assert stored(daifu) == before

    async def test_a_key_with_another_body_is_409_and_names_the_key(self, daifu: Daifu, shop: MerchantServer) -> None:
        await shop.placed("A-1", key="k-1")
        before = stored(daifu)

        detail = problem(await shop.create("A-2", key="k-1"), 409, "idempotency_mismatch")

        assert detail["field"] == "Idempotency-Key"
        assert stored(daifu) == before

    async def test_what_is_wrong_is_named_and_nothing_is_stored(self, daifu: Daifu, shop: MerchantServer) -> None:
        before = stored(daifu)
        for fields, field, reason in WRONG_ORDERS:
            asked = {"merchant_order_no": "A-1", "title": "奶茶", "amount": 1800, **fields}
            detail = problem(await shop.http.post("/merchant/v1/orders", json=asked), 400, "bad_request")
            assert (detail["field"], detail["reason"]) == (field, reason)
        assert stored(daifu) == before


class TestReading:
    async def test_orders_are_found_by_number_state_and_time_page_by_page(
        self, shop: MerchantServer, initiator: Person
    ) -> None:
        orders = [await shop.placed(f"A-{n}") for n in range(3)]
        theirs = await initiator.place_order()
        await shop.http.post(f"/merchant/v1/orders/{orders[0]['order_id']}/close", json={})

        async def found(**query: Any) -> list[str | None]:
            answer = await shop.http.get("/merchant/v1/orders", params=query)
            assert answer.status_code == 200, answer.text
            return [order["merchant_order_no"] for order in answer.json()["orders"]]

        assert await found() == [None, "A-2", "A-1", "A-0"]
        assert await found(state="CLOSED") == ["A-0"]
        assert await found(state="OPEN", before=theirs["order_id"]) == ["A-2", "A-1"]
        assert await found(merchant_order_no="A-1") == ["A-1"]
        assert await found(merchant_order_no="A-0", state="OPEN") == []
        assert await found(merchant_order_no="nothing") == []
        assert await found(created_to_ms=orders[0]["created_at_ms"] - 1000) == []
        assert len(await found(created_from_ms=orders[0]["created_at_ms"] - 1000)) == 4
        page = (await shop.http.get("/merchant/v1/orders", params={"limit": 3})).json()
        assert len(page["orders"]) == 3
        assert await found(before=page["next_before"]) == ["A-0"]
        last = (await shop.http.get("/merchant/v1/orders", params={"limit": 4})).json()
        assert last["next_before"] is None

    async def test_a_query_that_means_nothing_is_refused(self, shop: MerchantServer) -> None:
        for query, field, reason in WRONG_QUERIES:
            detail = problem(await shop.http.get(f"/merchant/v1/orders?{query}"), 400, "bad_request")
            assert (detail["field"], detail["reason"]) == (field, reason)

    async def test_nobodys_openid_is_shown(
        self, shop: MerchantServer, friend: Person, wechat_control: httpx.AsyncClient
    ) -> None:
        order = await paid_order(shop, friend, wechat_control)

        users = (await wechat_control.get("/_sim/users")).json()
        assert not [user for user in users if user["openid"] in str(order)]
        assert order["payments"][0]["payer"]["name"] == "小明"
        assert order["payments"][0]["transaction_id"]
        assert order["balance"] == {"received": 1800, "kept": 1800, "refund_due": 0, "refunded": 0}


class TestClosingAndRefunding:
    async def test_a_closed_order_stays_closed_and_a_paid_one_cannot_be(
        self, shop: MerchantServer, friend: Person, wechat_control: httpx.AsyncClient
    ) -> None:
        order = await shop.placed("A-1")
        for _ in range(2):
            answer = await shop.http.post(f"/merchant/v1/orders/{order['order_id']}/close", json={})
            assert answer.json()["order"]["state"] == "CLOSED"
        paid = await paid_order(shop, friend, wechat_control, order_no="A-2")

        answer = await shop.http.post(f"/merchant/v1/orders/{paid['order_id']}/close", json={})

        assert problem(answer, 409, "transition_not_possible")["state"] == "PAID"

    async def test_parts_and_then_the_rest_go_back_and_a_repeat_gives_nothing_more(
        self, shop: MerchantServer, friend: Person, wechat_control: httpx.AsyncClient
    ) -> None:
        order = await paid_order(shop, friend, wechat_control)
        order_id, number = order["order_id"], order["payments"][0]["out_trade_no"]

        for key in ("r-1", "r-2", "r-1"):
            answer = await shop.refund(order_id, key=key, out_trade_no=number, amount=300)
            assert answer.status_code == 200, answer.text
        problem(await shop.refund(order_id, key="r-1", amount=301), 409, "idempotency_mismatch")
        problem(await shop.refund(order_id, amount=300), 400, "bad_request")
        assert problem(await shop.refund(order_id, key="r-3", amount=1201), 409, "refund_too_large")["left"] == 1200
        await shop.refund(order_id)
        after = (await shop.refund(order_id)).json()["order"]

        assert [refund["amount"] for refund in after["payments"][0]["refunds"]] == [300, 300, 1200]
        assert (after["balance"]["kept"], after["balance"]["received"]) == (0, 1800)

    async def test_a_key_of_one_refund_is_none_of_another_orders(
        self, shop: MerchantServer, friend: Person, wechat_control: httpx.AsyncClient
    ) -> None:
        one, other = [await paid_order(shop, friend, wechat_control, order_no=f"A-{n}") for n in range(2)]
        assert (await shop.refund(one["order_id"], key="r-1", amount=1)).status_code == 200

        problem(await shop.refund(other["order_id"], key="r-1", amount=1), 409, "idempotency_mismatch")

        assert (await shop.read(other["order_id"]))["payments"][0]["refunds"] == []

    async def test_an_order_nobody_knows_is_not_found(self, shop: MerchantServer) -> None:
        for path in ("", "/close", "/refund"):
            method = "POST" if path else "GET"
            answer = await shop.http.request(method, f"/merchant/v1/orders/{'0' * 26}{path}", json={})
            problem(answer, 404, "order_not_found")


class TestKeys:
    async def test_without_a_key_of_ours_nothing_is_answered(self, daifu: Daifu) -> None:
        async with a_client(daifu.url) as http:
            for authorization in (None, "", "Bearer", "Bearer x", f"Basic {KEY}", f"Bearer {KEY}x", KEY):
                headers = {} if authorization is None else {"Authorization": authorization}
                answer = await http.get("/merchant/v1/orders", headers=headers)
                problem(answer, 401, "merchant_key_required")
                assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_session_or_its_token_is_no_key(self, initiator: Person) -> None:
        token = (await initiator.http.post("/api/token", json={})).json()["token"]
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            answer = await initiator.http.get("/merchant/v1/orders", headers=headers)
            problem(answer, 401, "merchant_key_required")

    async def test_a_key_may_do_what_its_scopes_say(self, daifu: Daifu, shop: MerchantServer) -> None:
        order_id = (await shop.placed())["order_id"]
        reader = MerchantServer(daifu.url, READER)
        before = stored(daifu)

        assert (await reader.read(order_id))["order_id"] == order_id
        close = await reader.http.post(f"/merchant/v1/orders/{order_id}/close", json={})
        for answer, scope in (
            (await reader.create("A-2"), "orders:write"),
            (close, "orders:write"),
            (await reader.refund(order_id), "refunds:write"),
        ):
            assert problem(answer, 403, "scope_missing") == {"scope": scope}
        assert stored(daifu) == before
        await reader.http.aclose()

    async def test_a_key_that_asks_too_often_is_told_when_to_come_again(
        self, daifu: Daifu, shop: MerchantServer
    ) -> None:
        order_id = (await shop.placed())["order_id"]
        reader = MerchantServer(daifu.url, READER)
        answers = [await reader.http.get(f"/merchant/v1/orders/{order_id}") for _ in range(RATE_PER_MIN + 1)]

        assert {answer.status_code for answer in answers[:-1]} == {200}
        assert problem(answers[-1], 429, "too_many_requests")["limit"] == RATE_PER_MIN
        assert answers[-1].headers["retry-after"]
        await shop.read(order_id)  # another key is another count
        await reader.http.aclose()

    async def test_no_key_reaches_a_log(
        self, daifu: Daifu, shop: MerchantServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        await shop.read((await shop.placed())["order_id"])
        await shop.refund("0" * 26)
        await shop.http.get("/merchant/v1/orders", headers={"Authorization": "Bearer planted-canary"})

        assert KEY not in caplog.text
        assert "planted-canary" not in caplog.text
