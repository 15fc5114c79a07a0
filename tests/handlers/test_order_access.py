"""Who may see and do what with an order, and when: a stranger learns nothing, and a no changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest

from sandbox.app import Sandbox
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu, ShiftedClock, start_daifu
from tests.stored import stored

UNKNOWN_ID: Final = "01HZX000000000000000000000"
NO_IDS: Final = (
    UNKNOWN_ID,
    UNKNOWN_ID.lower(),
    UNKNOWN_ID[:-1],
    UNKNOWN_ID + "0",
    UNKNOWN_ID + "%0a",
    UNKNOWN_ID[:-1] + "I",
    "1",
    "%00",
    "%E2%80%AE",
    "01HZX' OR '1'='1",
    "%2e%2e%2fadmin",
    "$ne",
    "x" * 4000,
)


def routes(order_id: str, out_trade_no: str) -> list[tuple[str, str]]:
    order = f"/api/orders/{order_id}"
    attempt = f"{order}/payments/{out_trade_no}"
    return [
        ("GET", order),
        ("POST", f"{order}/close"),
        ("POST", f"{order}/payments"),
        ("POST", f"{attempt}/confirm"),
        ("POST", f"{attempt}/cancel"),
    ]


async def call(person: Person, method: str, path: str) -> httpx.Response:
    if method == "GET":
        return await person.http.get(path)
    return await person.http.post(path, json={"trade_type": "JSAPI"} if path.endswith("/payments") else {})


class TestAnIdThatIsNone:
    async def test_every_route_answers_order_not_found(self, daifu: Daifu, initiator: Person) -> None:
        before = stored(daifu)
        for order_id in NO_IDS:
            for method, path in routes(order_id, f"{order_id}001"):
                detail = problem(await call(initiator, method, path), 404, "order_not_found")
                assert detail.keys() == {"order_id"}
        assert stored(daifu) == before

    async def test_the_id_in_lower_case_is_another_id(self, daifu: Daifu, initiator: Person) -> None:
        order = await initiator.place_order()
        answer = await initiator.http.get(f"/api/orders/{order['order_id'].lower()}")
        problem(answer, 404, "order_not_found")

    async def test_an_id_that_is_no_text_is_a_bad_request(self, daifu: Daifu, initiator: Person) -> None:
        detail = problem(await initiator.http.get("/api/orders/%ff"), 400, "bad_request")
        assert detail == {"field": "request", "reason": "unreadable"}

    async def test_the_share_code_needs_an_id_that_can_be_one(self, daifu: Daifu, initiator: Person) -> None:
        for order_id in NO_IDS[1:]:
            problem(await initiator.http.get(f"/api/orders/{order_id}/qr.svg"), 404, "order_not_found")


class TestAStranger:
    async def test_without_a_session_every_route_is_401(self, daifu: Daifu, initiator: Person) -> None:
        order = await initiator.place_order()
        before = stored(daifu)
        async with Person("nobody", daifu.url) as nobody:
            for method, path in [
                *routes(order["order_id"], f"{order['order_id']}001"),
                ("GET", "/api/orders"),
                ("GET", "/api/me"),
                ("POST", "/api/token"),
            ]:
                assert problem(await call(nobody, method, path), 401, "not_logged_in") == {}
            answer = await nobody.http.post("/api/orders", json={"title": "x", "amount": 1})
            problem(answer, 401, "not_logged_in")
        assert stored(daifu) == before

    async def test_cannot_close_an_order_he_did_not_place(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order = await initiator.place_order()
        await friend.start_payment(order["order_id"])
        before = stored(daifu)
        answer = await call(friend, "POST", f"/api/orders/{order['order_id']}/close")
        problem(answer, 404, "order_not_found")
        assert stored(daifu) == before

    async def test_cannot_touch_somebody_elses_attempt(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        out_trade_no = await friend.start_payment(order_id)
        before = stored(daifu)
        for person in (initiator, other_friend):
            for verb in ("confirm", "cancel"):
                answer = await call(person, "POST", f"/api/orders/{order_id}/payments/{out_trade_no}/{verb}")
                assert problem(answer, 404, "order_not_found") == {"order_id": order_id}
        assert stored(daifu) == before
        assert "orderquery" not in str((await wechat_control.get("/_sim/calls")).json()["calls"])

    async def test_an_attempt_is_found_under_its_own_order_only(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        one, other = [(await initiator.place_order())["order_id"] for _ in range(2)]
        out_trade_no = await friend.start_payment(one)
        before = stored(daifu)
        for order_id, number in (
            (other, out_trade_no),
            (one, f"{one}002"),
            (one, one),
            (one, out_trade_no + "0"),
            (one, out_trade_no.lower()),
        ):
            for verb in ("confirm", "cancel"):
                answer = await call(friend, "POST", f"/api/orders/{order_id}/payments/{number}/{verb}")
                problem(answer, 404, "order_not_found")
        assert stored(daifu) == before


class TestTheListOfMine:
    async def test_pages_through_all_of_mine_newest_first_and_nobody_elses(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        mine = []
        for number in range(45):
            mine.append((await initiator.place_order(title=f"#{number}"))["order_id"])
            if number % 9 == 0:
                await friend.place_order(title="his")

        sizes: list[int] = []
        found: list[str] = []
        asked = {"limit": "20"}
        while len(sizes) < 3:
            body = (await initiator.http.get("/api/orders", params=asked)).json()
            sizes.append(len(body["orders"]))
            found += [order["order_id"] for order in body["orders"]]
            asked["before"] = body["next_before"]

        assert (sizes, body["next_before"]) == ([20, 20, 5], None)
        assert found == sorted(mine, reverse=True)

    async def test_the_last_full_page_has_no_next(self, daifu: Daifu, initiator: Person) -> None:
        await initiator.place_order()
        body = (await initiator.http.get("/api/orders?limit=1")).json()
        assert (len(body["orders"]), body["next_before"]) == (1, None)

    async def test_before_and_limit_are_checked(self, daifu: Daifu, initiator: Person) -> None:
        for query, field, reason in (
            ("limit=0", "limit", "min"),
            ("limit=51", "limit", "max"),
            ("limit=99999", "limit", "max"),
            ("limit=999999999", "limit", "max"),
            ("limit=-1", "limit", "type"),
            ("limit=1.5", "limit", "type"),
            ("limit=%EF%BC%91", "limit", "type"),
            ("limit=", "limit", "type"),
            ("limit[$gt]=1&limit=x", "limit", "type"),
            ("before=abc", "before", "not_a_cursor"),
            (f"before={UNKNOWN_ID.lower()}", "before", "not_a_cursor"),
            ("before=", "before", "not_a_cursor"),
            ("before=~", "before", "not_a_cursor"),
            ("before=%ff", "request", "unreadable"),
        ):
            detail = problem(await initiator.http.get(f"/api/orders?{query}"), 400, "bad_request")
            assert (detail["field"], detail["reason"]) == (field, reason), query


class TestAnOrderThatTakesNoMore:
    async def test_paid_it_can_be_neither_paid_nor_closed(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        out_trade_no = await friend.start_payment(order_id)
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no})
        await friend.confirm(order_id, out_trade_no)
        before = stored(daifu)

        facts = {"order_id": order_id, "state": "PAID"}
        for person in (friend, other_friend):
            assert problem(await person.press_pay(order_id), 409, "order_not_payable") == facts
        answer = await call(initiator, "POST", f"/api/orders/{order_id}/close")
        assert problem(answer, 409, "transition_not_possible") == facts
        assert stored(daifu) == before

    async def test_closed_it_cannot_be_paid_and_closing_again_changes_nothing(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        await call(initiator, "POST", f"/api/orders/{order_id}/close")
        before = stored(daifu)

        assert problem(await friend.press_pay(order_id), 409, "order_not_payable")["state"] == "CLOSED"
        again = await call(initiator, "POST", f"/api/orders/{order_id}/close")
        assert (again.status_code, again.json()["order"]["state"]) == (200, "CLOSED")
        assert stored(daifu) == before

    async def test_while_a_friend_is_paying_the_others_are_told_when_to_come_back(
        self, daifu: Daifu, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        await friend.start_payment(order_id)
        before = stored(daifu)

        answer = await other_friend.press_pay(order_id)

        detail = problem(answer, 409, "share_leased")
        assert 110 <= detail["retry_after_s"] <= 120
        assert answer.headers["retry-after"] == str(detail["retry_after_s"])
        assert stored(daifu) == before


class TestTime:
    @pytest.fixture
    def clock(self) -> ShiftedClock:
        return ShiftedClock()

    @pytest.fixture
    async def daifu(
        self, clock: ShiftedClock, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> AsyncIterator[Daifu]:
        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            parts=lambda services: replace(services, clock=clock),
            session_ttl_s=3600,
        )
        yield server
        await server.aclose()

    async def test_an_order_past_its_time_cannot_be_paid(
        self, clock: ShiftedClock, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order(expires_in_s=60))["order_id"]
        clock.ahead_ms = 60_000
        before = stored(daifu)
        assert problem(await friend.press_pay(order_id), 409, "order_not_payable")["state"] == "EXPIRED"
        assert stored(daifu) == before

    async def test_a_lease_that_ran_out_lets_the_next_friend_pay(
        self, clock: ShiftedClock, daifu: Daifu, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        await friend.start_payment(order_id)
        clock.ahead_ms = 121_000
        assert (await other_friend.press_pay(order_id)).status_code == 201

    async def test_a_session_and_a_token_end_when_their_time_is_over(
        self, clock: ShiftedClock, daifu: Daifu, initiator: Person
    ) -> None:
        token = (await initiator.http.post("/api/token", json={})).json()
        assert token["expires_in_s"] == 3600
        async with a_client(daifu.url) as app:
            bearer = {"Authorization": f"Bearer {token['token']}"}
            clock.ahead_ms = 3_590_000
            assert (await app.get("/api/me", headers=bearer)).status_code == 200
            assert (await initiator.http.get("/api/me")).status_code == 200
            clock.ahead_ms = 3_610_000
            problem(await app.get("/api/me", headers=bearer), 401, "not_logged_in")
            problem(await initiator.http.get("/api/me"), 401, "not_logged_in")
