"""The watch channel without a socket: a stream of events, a GET that waits, and tokens for who has no cookies."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.auth import WATCH_TTL_S
from sandbox.app import Sandbox
from tests.handlers.watching import until_watched_by
from tests.people import PATIENCE_S, Person, open_page
from tests.problems import problem
from tests.running import Daifu, ShiftedClock, start_daifu


class Stream:
    """A page's end of the event stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next_event(self) -> tuple[str, dict[str, Any]]:
        """Return the next event's name and data."""
        name = "message"
        while True:
            line = await asyncio.wait_for(anext(self._lines), PATIENCE_S)
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            if line.startswith("data: "):
                return name, json.loads(line.removeprefix("data: "))

    async def until_state(self, state: str) -> dict[str, Any]:
        while True:
            _, frame = await self.next_event()
            if frame["type"] == "order" and frame["order"]["state"] == state:
                return frame


@asynccontextmanager
async def streaming(person: Person, order_id: str, **headers: str) -> AsyncIterator[Stream]:
    async with person.http.stream("GET", f"/api/orders/{order_id}/events", headers=headers) as answer:
        yield Stream(answer)


async def pay(wechat_control: httpx.AsyncClient, friend: Person, order_id: str) -> None:
    out_trade_no = await friend.start_payment(order_id)
    answer = await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
    assert answer.status_code == 200


class TestAStreamOfEvents:
    async def test_gives_the_whole_state_first_and_again_when_it_changes(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]

        async with streaming(initiator, order_id) as stream:
            assert stream.answer.headers["content-type"].startswith("text/event-stream")
            _, first = await stream.next_event()
            _, beat = await stream.next_event()
            await pay(wechat_control, friend, order_id)
            paid = await stream.until_state("PAID")

        assert (first["type"], first["rev"], first["order"]["state"]) == ("order", 1, "OPEN")
        assert (beat["type"], beat["rev"]) == ("beat", 1)
        assert paid["order"] == await initiator.read_order(order_id)

    async def test_is_forgotten_when_the_page_leaves(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        async with streaming(initiator, order_id) as stream:
            await stream.next_event()
            assert len(daifu.services.hub) == 1

        await until_watched_by(0, daifu)

    async def test_says_goodbye_with_a_reason_when_the_server_goes_down(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant)
        async with Person("小红", server.url) as initiator:
            await initiator.log_in()
            order_id = (await initiator.place_order())["order_id"]
            async with streaming(initiator, order_id) as stream:
                await stream.next_event()
                await stream.next_event()
                going_down = asyncio.create_task(server.aclose())
                name, said = await stream.next_event()
                await going_down

        assert name == "close"
        assert said["code"] == 1012
        assert 0 <= json.loads(said["reason"])["delay_ms"] < 5000

    async def test_is_refused_without_a_login_or_an_order(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        unknown = "0" * 26
        async with Person("谁", daifu.url) as stranger:
            refused = await stranger.http.get(f"/api/orders/{order_id}/events")

        problem(refused, 401, "not_logged_in")
        missing = await initiator.http.get(f"/api/orders/{unknown}/events")
        problem(missing, 404, "order_not_found")


class TestAGetThatWaits:
    async def test_answers_at_once_when_the_order_is_newer(self, daifu: Daifu, initiator: Person) -> None:
        order = await initiator.place_order()

        answer = await initiator.http.get(f"/api/orders/{order['order_id']}?since=0&wait=30")

        assert answer.json()["order"] == order

    async def test_answers_when_the_order_changes(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        waiting = asyncio.create_task(initiator.http.get(f"/api/orders/{order_id}?since=1&wait=30"))
        await until_watched_by(1, daifu)

        await friend.start_payment(order_id)
        answer = await asyncio.wait_for(waiting, PATIENCE_S)

        assert answer.json()["order"]["rev"] == 2
        assert len(daifu.services.hub) == 0

    async def test_answers_with_what_there_is_when_the_wait_is_over(self, daifu: Daifu, initiator: Person) -> None:
        order = await initiator.place_order()

        answer = await initiator.http.get(f"/api/orders/{order['order_id']}?since=1&wait=1")

        assert answer.json()["order"] == order

    @pytest.mark.parametrize("query", ["since=-1", "since=x", "wait=1.5", "since=1&wait=１"])
    async def test_refuses_numbers_that_are_none(self, query: str, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]

        refused = await initiator.http.get(f"/api/orders/{order_id}?{query}")

        assert problem(refused, 400, "bad_request")["reason"] == "type"


class TestAWatchToken:
    async def test_lets_a_program_watch_this_order_by_every_way(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        made = await initiator.http.post(f"/api/orders/{order_id}/watch-token", json={})
        assert made.status_code == 201
        assert made.json()["expires_in_s"] == WATCH_TTL_S
        bearer = {"Authorization": f"Bearer {made.json()['token']}"}

        async with Person("程序", daifu.url) as program:
            read = await program.http.get(f"/api/orders/{order_id}", headers=bearer)
            async with streaming(program, order_id, **bearer) as stream:
                _, event = await stream.next_event()
        page = await open_page(daifu.url, order_id, bearer)
        frame = await page.next_state()
        page.close()

        assert read.json()["order"]["my_role"] == "initiator"
        assert event["order"] == frame["order"] == read.json()["order"]

    async def test_is_good_for_this_order_and_for_watching_only(self, daifu: Daifu, initiator: Person) -> None:
        first, other = [(await initiator.place_order())["order_id"] for _ in range(2)]
        token = (await initiator.http.post(f"/api/orders/{first}/watch-token", json={})).json()["token"]
        bearer = {"Authorization": f"Bearer {token}"}

        async with Person("程序", daifu.url) as program:
            elsewhere = await program.http.get(f"/api/orders/{other}", headers=bearer)
            acting = await program.http.post(f"/api/orders/{first}/close", json={}, headers=bearer)
            listing = await program.http.get("/api/orders", headers=bearer)

        assert [answer.status_code for answer in (elsewhere, acting, listing)] == [401, 401, 401]

    async def test_runs_out(self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> None:
        clock = ShiftedClock()
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        parts = partial(replace, clock=clock)
        server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, parts=parts)
        async with Person("小红", server.url) as initiator, Person("程序", server.url) as program:
            await initiator.log_in()
            order_id = (await initiator.place_order())["order_id"]
            token = (await initiator.http.post(f"/api/orders/{order_id}/watch-token", json={})).json()["token"]
            bearer = {"Authorization": f"Bearer {token}"}
            in_time = await program.http.get(f"/api/orders/{order_id}", headers=bearer)
            clock.ahead_ms = (WATCH_TTL_S + 1) * 1000
            late = await program.http.get(f"/api/orders/{order_id}", headers=bearer)
        await server.aclose()

        assert [in_time.status_code, late.status_code] == [200, 401]

    async def test_is_not_made_for_an_order_that_is_not_there(self, daifu: Daifu, initiator: Person) -> None:
        refused = await initiator.http.post(f"/api/orders/{'0' * 26}/watch-token", json={})

        problem(refused, 404, "order_not_found")


class TestTooManyWatchers:
    @pytest.fixture
    async def daifu(self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        limits: dict[str, Any] = {"watch_max_per_person": 2, "watch_max_per_address": 3}
        server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, **limits)
        yield server
        await server.aclose()

    async def test_one_person_is_refused_beyond_his_limit_and_let_in_again_when_a_page_goes(
        self, daifu: Daifu, initiator: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        first = await initiator.watch(order_id)
        await initiator.watch(order_id)

        refused = await initiator.http.get(f"/api/orders/{order_id}/events")
        problem(refused, 429, "too_many_watchers")
        assert refused.headers["retry-after"] == "30"
        with pytest.raises(Exception, match="429"):
            await initiator.watch(order_id)

        first.close()
        await until_watched_by(1, daifu)
        async with streaming(initiator, order_id) as stream:
            await stream.next_event()

    async def test_one_address_is_refused_beyond_its_limit(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        for person in (initiator, initiator, friend):
            await person.watch(order_id)

        refused = await friend.http.get(f"/api/orders/{order_id}/events")

        assert refused.status_code == 429
