"""Requests that another site, or somebody with half a credential, sends in a person's name."""

import time
from typing import Final

from pydantic import SecretStr

from handlers.auth import Sessions
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu
from tests.stored import stored

ORDER: Final = {"title": "奶茶", "amount": 1800}


def foreign_origins(own: str) -> list[str]:
    port = own.rpartition(":")[2]
    return [
        "https://evil.example",
        "null",
        "",
        own.replace("http:", "https:"),
        own.replace("127.0.0.1", "evil.127.0.0.1"),
        own.replace("127.0.0.1", "localhost"),
        own.replace("127.0.0.1", "127.0.0.1.evil.example"),
        own.replace(port, "1"),
        own.replace(f":{port}", ""),
        own + ".evil.example",
        own + "/",
        own.upper(),
        f"{own} https://evil.example",
        own.replace("//", "//evil@"),
    ]


async def cookie_of(person: Person) -> str:
    value: str = person.http.cookies["daifu_session"]
    return value


async def bearer_of(person: Person) -> str:
    token: str = (await person.http.post("/api/token", json={})).json()["token"]
    return token


class TestAnotherSite:
    async def test_no_origin_but_ours_may_write(self, daifu: Daifu, initiator: Person) -> None:
        order_id = (await initiator.place_order())["order_id"]
        out_trade_no = await initiator.start_payment(order_id)
        before = stored(daifu)
        order = f"/api/orders/{order_id}"
        attempt = f"{order}/payments/{out_trade_no}"
        for path in (f"{order}/close", f"{order}/payments", f"{attempt}/confirm", f"{attempt}/cancel", "/api/token"):
            answer = await initiator.http.post(path, json={}, headers={"Origin": "https://evil.example"})
            problem(answer, 403, "foreign_origin")
        for origin in foreign_origins(daifu.url):
            answer = await initiator.http.post("/api/orders", json=ORDER, headers={"Origin": origin})
            problem(answer, 403, "foreign_origin")
        assert stored(daifu) == before

    async def test_our_own_origin_may_write(self, daifu: Daifu, initiator: Person) -> None:
        headers = {"Origin": daifu.url, "Sec-Fetch-Site": "same-origin"}
        assert (await initiator.http.post("/api/orders", json=ORDER, headers=headers)).status_code == 201

    async def test_a_fetch_from_elsewhere_may_not_write(self, daifu: Daifu, initiator: Person) -> None:
        before = stored(daifu)
        for site in ("cross-site", "same-site", "", "Same-Origin, cross-site"):
            answer = await initiator.http.post("/api/orders", json=ORDER, headers={"Sec-Fetch-Site": site})
            problem(answer, 403, "foreign_origin")
        assert stored(daifu) == before

    async def test_a_form_may_not_write(self, daifu: Daifu, initiator: Person) -> None:
        before = stored(daifu)
        for headers in ({"Origin": daifu.url}, {}):
            answer = await initiator.http.post("/api/orders", data={"title": "x", "amount": "1"}, headers=headers)
            problem(answer, 415, "json_required")
        assert stored(daifu) == before

    async def test_no_answer_lets_another_site_read_it(self, daifu: Daifu, initiator: Person) -> None:
        for method in ("GET", "OPTIONS"):
            headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
            answer = await initiator.http.request(method, "/api/orders", headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control")]


class TestABearerToken:
    async def test_needs_no_origin(self, daifu: Daifu, initiator: Person) -> None:
        token = await bearer_of(initiator)
        async with a_client(daifu.url) as app:
            answer = await app.post("/api/orders", json=ORDER, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 201
        assert answer.json()["order"]["initiator"]["name"] == "小红"

    async def test_that_is_bad_is_nobodys_though_the_cookie_is_good(self, daifu: Daifu, initiator: Person) -> None:
        token = await bearer_of(initiator)
        before = stored(daifu)
        for authorization in ("Bearer", "Bearer x", f"Bearer {token}x", f"Basic {token}", token, ""):
            headers = {"Authorization": authorization}
            problem(await initiator.http.get("/api/me", headers=headers), 401, "not_logged_in")
            answer = await initiator.http.post("/api/orders", json=ORDER, headers=headers)
            problem(answer, 401, "not_logged_in")
        assert stored(daifu) == before

    async def test_is_no_cookie_and_a_cookie_is_no_token(self, daifu: Daifu, initiator: Person) -> None:
        token, cookie = await bearer_of(initiator), await cookie_of(initiator)
        async with a_client(daifu.url) as thief:
            for headers in ({"Authorization": f"Bearer {cookie}"}, {"Cookie": f"daifu_session={token}"}):
                problem(await thief.get("/api/me", headers=headers), 401, "not_logged_in")


class TestATamperedCookie:
    async def test_is_nobodys(self, daifu: Daifu, initiator: Person) -> None:
        good = await cookie_of(initiator)
        fields = good.split("|")
        older_format = "|".join(("eyJwZXJzb24iOnt9fQ==", "1700000000", "0" * 40))
        forged = Sessions([SecretStr("x" * 32)], ttl_s=60, secure=False, now_s=time.time).login_ticket("/")
        tampered = [
            good[:-1],
            good[:-1] + ("0" if good[-1] != "0" else "1"),
            good.replace(fields[4], fields[4].swapcase()),
            good.replace("2|", "1|", 1),
            good.replace("2|", "3|", 1),
            "|".join([*fields[:-1], ""]),
            "|".join([*fields[:2], "10:9999999999", *fields[3:]]),
            "garbage",
            "2|",
            "2|1:0|",
            "|" * 6,
            older_format,
            forged,
            "x" * 4000,
        ]
        async with a_client(daifu.url) as thief:
            assert (await thief.get("/api/me", headers={"Cookie": f"daifu_session={good}"})).status_code == 200
            for value in tampered:
                answer = await thief.get("/api/me", headers={"Cookie": f"daifu_session={value}"})
                problem(answer, 401, "not_logged_in")
