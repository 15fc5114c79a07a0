"""The routes served without a RequestHandler answer as their handlers do."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.handlers.forged_notifies import Forger
from tests.people import Person, a_client
from tests.running import Daifu, start_daifu

# What differs from one answer to the next, whoever gives it.
OWN = re.compile(r"^(date|x-request-id): .*$", re.MULTILINE)


def told(answer: httpx.Response) -> tuple[int, str, bytes]:
    headers = "\n".join(sorted(f"{name}: {value}" for name, value in answer.headers.items()))
    return answer.status_code, OWN.sub(r"\1", headers), answer.content


class TestBothWays:
    @pytest.fixture
    async def daifu(self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, http_front="fast")
        yield server
        await server.aclose()

    async def test_an_order_is_told_in_the_same_words(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order(note="好" * 100))["order_id"]
        token = (await initiator.http.post("/api/token", json={})).json()["token"]
        async with a_client(daifu.url) as nobody, a_client(daifu.url) as app:
            for client, path, headers in [
                (initiator.http, order_id, {}),
                (initiator.http, order_id, {"Accept-Encoding": "identity"}),
                (initiator.http, f"{order_id}?viewer=", {}),
                (initiator.http, "0" * 26, {"Accept-Language": "en"}),
                (nobody, order_id, {}),
                (nobody, order_id, {"Accept-Language": "en", "Cookie": "lang=zh"}),
                (app, order_id, {"Authorization": f"Bearer {token}"}),
                (app, order_id, {"Authorization": "Bearer x"}),
            ]:
                hot = await client.get(f"/api/orders/{path}", headers=headers)
                # A query that says nothing sends it through the handler.
                sign = "&" if "?" in path else "?"
                cold = await client.get(f"/api/orders/{path}{sign}since=0", headers=headers)
                assert told(hot) == told(cold), (path, headers)
                assert hot.headers["x-request-id"] != cold.headers["x-request-id"]

    async def test_a_notify_is_answered_in_the_same_words(self, daifu: Daifu, forger: Forger) -> None:
        headers = {"Content-Type": "text/xml"}
        for route in ("pay", "refund", "v3"):
            for body in (b"<xml>", b"<xml><a>b</a></xml>", forger.body(sign="0" * 32), forger.body()):
                answers = []
                for query in ("", "?cold"):
                    path = f"/wechat/notify/{route}{query}"
                    answers.append(told(await forger.http.post(path, content=body, headers=headers)))
                assert answers[0] == answers[1], (route, body[:40])

    async def test_a_store_that_fails_is_answered_and_the_next_request_served(
        self, daifu: Daifu, initiator: Person
    ) -> None:
        order_id = (await initiator.place_order())["order_id"]
        await daifu.services.store.aclose()

        hot = await initiator.http.get(f"/api/orders/{order_id}")
        cold = await initiator.http.get(f"/api/orders/{order_id}?since=0")

        assert hot.status_code == 503
        assert told(hot) == told(cold)
