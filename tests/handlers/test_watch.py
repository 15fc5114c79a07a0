"""The watch socket at its edges: who gets in, what is never in a frame, and who is sent away."""

import asyncio
import time
from pathlib import Path
from typing import Final

import httpx
import pytest
from tornado.httpclient import HTTPClientError

from sandbox.app import Sandbox
from tests.handlers.watching import cookies_of, until_watched_by
from tests.people import PATIENCE_S, Page, Person, open_page
from tests.running import Daifu, start_daifu

UNKNOWN_ID: Final = "01HZX000000000000000000000"


async def bearer_of(person: Person) -> dict[str, str]:
    token = (await person.http.post("/api/token", json={})).json()["token"]
    return {"Authorization": f"Bearer {token}"}


async def refusal(url: str, order_id: str, headers: dict[str, str]) -> int:
    with pytest.raises(HTTPClientError) as refused:
        await open_page(url, order_id, headers)
    return refused.value.code


async def raw_frame(page: Page) -> str:
    message = await asyncio.wait_for(page.connection.read_message(), PATIENCE_S)
    assert isinstance(message, str)
    return message


class TestTheDoor:
    async def test_a_handshake_without_origin_and_token_is_403(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        assert await refusal(daifu.url, order_id, {"Cookie": cookies_of(initiator)}) == 403
        await until_watched_by(0, daifu)

    async def test_a_foreign_origin_is_403_though_the_cookie_is_good(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        cookie = {"Cookie": cookies_of(initiator)}
        for origin in (
            "https://evil.example",
            "null",
            daifu.url.replace("http:", "https:"),
            daifu.url.replace("127.0.0.1", "sub.127.0.0.1"),
            daifu.url.replace("127.0.0.1", "localhost"),
            daifu.url + "0",
            daifu.url + ".evil.example",
        ):
            assert await refusal(daifu.url, order_id, {"Origin": origin, **cookie}) == 403
            bearer = await bearer_of(initiator)
            assert await refusal(daifu.url, order_id, {"Origin": origin, **bearer}) == 403
        await until_watched_by(0, daifu)

    async def test_nobody_is_told_to_log_in(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        for headers in (
            {"Origin": daifu.url},
            {"Origin": daifu.url, "Cookie": "daifu_session=garbage"},
            {"Authorization": "Bearer garbage"},
            {"Authorization": "Basic eDp5", "Cookie": cookies_of(initiator)},
        ):
            page = await open_page(daifu.url, order_id, headers)
            assert await page.close_code() == 4401
        await until_watched_by(0, daifu)

    async def test_an_unknown_order_is_4404(self, daifu: Daifu, initiator: Person) -> None:
        for order_id in (UNKNOWN_ID, UNKNOWN_ID.lower(), "x", "%00", "x" * 1000):
            page = await initiator.watch(order_id)
            assert await page.close_code() == 4404
        await until_watched_by(0, daifu)

    async def test_a_token_alone_opens_it(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        page = await open_page(daifu.url, order_id, await bearer_of(initiator))
        assert (await page.next_state())["order"]["my_role"] == "initiator"
        page.close()

    async def test_an_order_that_cannot_be_read_asks_to_come_back(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        await daifu.services.store.aclose()
        assert await (await initiator.watch(order_id)).close_code() == 1013
        await until_watched_by(0, daifu)

    async def test_what_is_no_handshake_is_refused_without_a_page(self, daifu: Daifu, initiator: Person) -> None:
        for method, status in (("GET", 400), ("POST", 405), ("TRACE", 405)):
            answer = await initiator.http.request(method, f"/ws/orders/{UNKNOWN_ID}", headers={"Origin": daifu.url})
            assert (answer.status_code, b"<" in answer.content) == (status, False)
            assert answer.headers["server"] == "daifu"


class TestFrames:
    async def test_the_whole_state_comes_first_and_the_servers_clock_after_it(
        self, daifu: Daifu, initiator: Person
    ) -> None:
        order = await initiator.place_order(note="谢谢你")
        page = await initiator.watch(order["order_id"])

        first = await page.next_frame()
        beat = await page.next_frame()

        assert first == {"type": "order", "rev": 1, "order": order}
        assert beat is not None
        assert beat == {"type": "beat", "rev": 1, "now_ms": beat["now_ms"]}
        assert abs(beat["now_ms"] - time.time() * 1000) < 10_000
        page.close()

    async def test_no_frame_holds_what_only_the_server_may_know(
        self, daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order(shares=2))["order_id"]
        pages = [await person.watch(order_id) for person in (initiator, friend, other_friend)]
        out_trade_no = await friend.start_payment(order_id)
        pressed = (await friend.press_pay(order_id)).json()
        paid = (await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no})).json()

        seen = []
        for page in pages:
            text = ""
            while '"trade_state":"SUCCESS"' not in text:
                text = await raw_frame(page)
                seen.append(text)
            page.close()

        users = (await wechat_control.get("/_sim/users")).json()
        secrets = [user["openid"] for user in users if user["nickname"] in ("小红", "小明", "老王")]
        secrets += [pressed["params"]["package"].removeprefix("prepay_id="), paid["transaction_id"]]
        secrets += ["client_ip", "effects", "transaction_id", "prepay", "evidence"]
        assert len(secrets) == 10
        found = [secret for secret in secrets for text in seen if secret in text]
        assert found == []
        assert not any('"127.0.0.1"' in text for text in seen)

    async def test_mine_is_on_a_friends_own_attempt_only(
        self, daifu: Daifu, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order(shares=2))["order_id"]
        his, others = await friend.start_payment(order_id), await other_friend.start_payment(order_id)
        for person, role, numbers in (
            (friend, "payer", [his, None]),
            (other_friend, "payer", [None, others]),
            (initiator, "initiator", [his, others]),  # he gives money back by it
        ):
            page = await person.watch(order_id)
            order = (await page.next_state())["order"]
            assert order["my_role"] == role
            assert [payment["out_trade_no"] for payment in order["payments"]] == numbers
            mine = [person is friend, person is other_friend]
            assert [payment["mine"] for payment in order["payments"]] == mine
            page.close()

    async def test_friends_without_an_attempt_get_identical_bytes(
        self, daifu: Daifu, initiator: Person, friend: Person, other_friend: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        pages = [await person.watch(order_id) for person in (friend, other_friend)]
        firsts = [(await raw_frame(page), await raw_frame(page))[0] for page in pages]
        await initiator.start_payment(order_id)
        seconds = [await raw_frame(page) for page in pages]
        assert firsts[0] == firsts[1]
        assert seconds[0] == seconds[1]
        for page in pages:
            page.close()

    async def test_a_watcher_of_another_order_sees_nothing(
        self, daifu: Daifu, initiator: Person, friend: Person
    ) -> None:
        one, other = [(await initiator.place_order())["order_id"] for _ in range(2)]
        page = await initiator.watch(other)
        await friend.start_payment(one)
        await initiator.http.post(f"/api/orders/{other}/close", json={})
        frames = await page.until_state("CLOSED")
        assert {frame["order"]["order_id"] for frame in frames} == {other}
        assert [frame["rev"] for frame in frames] == [1, 2]
        page.close()


class TestClosing:
    async def test_a_client_that_floods_is_sent_away(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        page = await initiator.watch(order_id)
        for _ in range(150):
            await page.connection.write_message("x")
        assert await page.close_code() == 4400
        await until_watched_by(0, daifu)

    async def test_a_client_that_floods_with_pings_is_sent_away(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        page = await initiator.watch(order_id)
        for _ in range(150):
            page.connection.ping(b"x" * 125)
        assert await page.close_code() == 4400
        await until_watched_by(0, daifu)

    async def test_a_message_over_the_limit_is_1009(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        page = await initiator.watch(order_id)
        await page.connection.write_message("x" * 4097)
        assert await page.close_code() == 1009
        await until_watched_by(0, daifu)

    async def test_a_message_that_is_not_understood_does_no_harm(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        page = await initiator.watch(order_id)
        for message in ("", "{}", '{"type":"subscribe","order_id":"*"}', "x" * 4096):
            await page.connection.write_message(message)
        await page.connection.write_message(b"\x00\xff", binary=True)
        await initiator.http.post(f"/api/orders/{order_id}/close", json={})
        await page.until_state("CLOSED")
        page.close()

    async def test_a_server_that_goes_down_says_come_back(
        self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        daifu = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant)
        async with Person("小红", daifu.url) as initiator:
            await initiator.log_in()
            page = await initiator.watch((await initiator.place_order())["order_id"])
            await page.next_state()
            await asyncio.gather(daifu.aclose(), page.close_code())
        assert page.connection.close_code == 1012
