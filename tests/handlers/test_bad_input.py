"""What a client can get wrong in a body: refused by field and reason, in the asker's language, leaving no trace."""

import json
import re
from typing import Any, Final

import httpx

from tests.people import Person
from tests.problems import problem
from tests.running import Daifu
from tests.stored import stored

GOOD: Final[dict[str, Any]] = {"title": "奶茶", "amount": 1800}
CHINESE: Final = re.compile("[一-鿿]")

WRONG_VALUES: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"amount": 0}, "amount", "min"),
    ({"amount": -1}, "amount", "min"),
    ({"amount": 18.5}, "amount", "type"),
    ({"amount": 18.0}, "amount", "type"),
    ({"amount": 10_000_001}, "amount", "max"),
    ({"amount": 10**30}, "amount", "max"),
    ({"amount": -(10**30)}, "amount", "min"),
    ({"amount": float("1e300")}, "amount", "type"),
    ({"title": ""}, "title", "blank"),
    ({"title": " \t\u3000 "}, "title", "blank"),
    ({"title": "\u200b\u200d"}, "title", "blank"),
    ({"title": "茶" * 61}, "title", "max_length"),
    ({"title": "a\x00b"}, "title", "control"),
    ({"title": "a\nb"}, "title", "control"),
    ({"title": "a\x7fb"}, "title", "control"),
    ({"title": "a\x9bb"}, "title", "control"),
    ({"title": "pay \u202ekaerb"}, "title", "control"),
    ({"title": "\u2066me"}, "title", "control"),
    ({"title": "\ud800"}, "title", "control"),
    ({"title": "a\ud83d"}, "title", "control"),
    ({"title": "\uffff"}, "title", "control"),
    ({"note": "好" * 201}, "note", "max_length"),
    ({"note": "a\x1bb"}, "note", "control"),
    ({"note": "\udfff"}, "note", "control"),
    ({"shares": 0}, "shares", "min"),
    ({"shares": -3}, "shares", "min"),
    ({"shares": 51}, "shares", "max"),
    ({"shares": 10**30}, "shares", "max"),
    ({"amount": 3, "shares": 4}, "shares", "shares_too_many"),
    ({"shares": []}, "shares", "min"),
    ({"shares": [900, 899]}, "shares", "shares_sum"),
    ({"shares": [900, 901]}, "shares", "shares_sum"),
    ({"shares": [1800, 0]}, "shares", "shares_too_many"),
    ({"shares": [1801, -1]}, "shares", "shares_too_many"),
    ({"amount": 51, "shares": [1] * 51}, "shares", "max"),
    ({"shares": [[900], [900]]}, "shares[0]", "type"),
    ({"shares": [900, "900"]}, "shares[1]", "type"),
    ({"shares": [900, True]}, "shares[1]", "type"),
    ({"shares": [900, None]}, "shares[1]", "type"),
    ({"shares": [900.0, 900]}, "shares[0]", "type"),
    ({"expires_in_s": 59}, "expires_in_s", "min"),
    ({"expires_in_s": 0}, "expires_in_s", "min"),
    ({"expires_in_s": -60}, "expires_in_s", "min"),
    ({"expires_in_s": 7 * 86400 + 1}, "expires_in_s", "max"),
    ({"expires_in_s": 60.0}, "expires_in_s", "type"),
    ({"state": "PAID"}, "state", "unknown"),
    ({"order_id": "01HZX0000000000000000000ZZ"}, "order_id", "unknown"),
    ({"initiator": {"openid": "o"}}, "initiator", "unknown"),
    ({"$where": "1"}, "$where", "unknown"),
    ({"": 1}, "", "unknown"),
    ({"\ud800": 1}, "\\ud800", "unknown"),
    ({"amount\u202e": 1}, "amount\\u202e", "unknown"),
]

ANY_KIND: Final[tuple[Any, ...]] = (None, True, 7, 1.5, "x", [], [1], {}, {"$gt": ""}, [[1]])
RIGHT_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "title": (str,),
    "amount": (int,),
    "shares": (int, list),
    "note": (str,),
    "expires_in_s": (int, type(None)),
}

WRONG_BODIES: Final[list[tuple[bytes, str, str]]] = [
    (b"", "title", "missing"),
    (b"{}", "title", "missing"),
    (b'{"title":"x"}', "amount", "missing"),
    (b"[]", "body", "type"),
    (b'"title"', "body", "type"),
    (b"null", "body", "type"),
    (b"1800", "body", "type"),
    (b"title=x&amount=1800", "body", "invalid_json"),
    (b'{"title":"x","amount":1800', "body", "invalid_json"),
    (b'{"title":"x","amount":1800}}', "body", "invalid_json"),
    (b'{"title":"x","amount":01800}', "body", "invalid_json"),
    (b'{"title":"x","amount":+1800}', "body", "invalid_json"),
    (b'{"title":"x","amount":NaN}', "body", "invalid_json"),
    (b'{"title":"x","amount":Infinity}', "body", "invalid_json"),
    (b'{"title":"x","amount":-Infinity}', "body", "invalid_json"),
    (b'{"title":"x","amount":' + b"9" * 5000 + b"}", "body", "invalid_json"),
    (b'{"title":"x","amount":1,"amount":1800}', "amount", "duplicate"),
    (b'{"title":"x","title":"y","amount":1800}', "title", "duplicate"),
    (b'{"\\ud800":1,"\\ud800":2}', "\\ud800", "unknown"),
    (b'{"title":"x\xff","amount":1800}', "body", "invalid_json"),
    (b'{"title":"x\xed\xa0\x80","amount":1800}', "body", "invalid_json"),
    (b'\xef\xbb\xbf{"title":"x","amount":1800}', "body", "invalid_json"),
    ('{"title":"x","amount":1800}'.encode("utf-16"), "body", "invalid_json"),
    (b"[" * 60_000, "body", "invalid_json"),
    (b'{"title":' * 7_000, "body", "invalid_json"),
    (b'{"title":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "body", "invalid_json"),
]


async def post(person: Person, body: bytes, **headers: str) -> httpx.Response:
    return await person.http.post("/api/orders", content=body, headers={"Content-Type": "application/json", **headers})


async def check_refused(person: Person, body: bytes, field: str, reason: str) -> None:
    """The refusal names field and reason, in a sentence of either language."""
    messages = {}
    for language in ("zh-CN,zh;q=0.9", "en-US,en;q=0.5"):
        answer = await post(person, body, **{"Accept-Language": language})
        detail = problem(answer, 400, "bad_request")
        assert (detail["field"], detail["reason"]) == (field, reason), (body[:80], detail)
        messages[language[:2]] = answer.json()["error"]["message"]
        assert field in messages[language[:2]]
    assert CHINESE.search(messages["zh"])
    assert not CHINESE.search(messages["en"])


async def test_each_wrong_value_is_refused_by_field_and_reason(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    for changes, field, reason in WRONG_VALUES:
        await check_refused(initiator, json.dumps(GOOD | changes).encode(), field, reason)
    assert stored(daifu) == before


async def test_a_value_of_another_type_is_refused_in_every_field(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    checked = 0
    for field, right in RIGHT_KINDS.items():
        for value in ANY_KIND:
            if type(value) in right and value != [[1]]:
                continue
            answer = await post(initiator, json.dumps(GOOD | {field: value}).encode())
            detail = problem(answer, 400, "bad_request")
            assert (detail["field"].partition("[")[0], detail["reason"]) == (field, "type"), (field, value)
            checked += 1
    assert checked == 42
    assert stored(daifu) == before


async def test_a_body_that_is_no_json_object_is_refused(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    for body, field, reason in WRONG_BODIES:
        await check_refused(initiator, body, field, reason)
    assert stored(daifu) == before


async def test_a_body_that_does_not_say_json_is_415_whatever_is_in_it(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    body = json.dumps(GOOD).encode()
    kinds = ("", "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "application/jsonp")
    for kind in kinds:
        problem(await post(initiator, body, **{"Content-Type": kind}), 415, "json_required")
    for path in ("/api/orders", "/api/token"):
        problem(await initiator.http.post(path), 415, "json_required")
        problem(await initiator.http.post(path, files={"title": b"x"}, data={"amount": "1"}), 415, "json_required")
    assert stored(daifu) == before


async def test_a_charset_beside_the_content_type_does_no_harm(daifu: Daifu, initiator: Person) -> None:
    body = json.dumps(GOOD).encode()
    answer = await post(initiator, body, **{"Content-Type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 201


async def test_a_body_over_the_limit_is_413_and_the_server_goes_on(daifu: Daifu, initiator: Person) -> None:
    before = stored(daifu)
    for size in (64 * 1024 + 1, 1_000_000):
        problem(await post(initiator, b" " * size), 413, "payload_too_large")
    assert stored(daifu) == before
    assert (await post(initiator, json.dumps(GOOD).encode())).status_code == 201


async def test_a_body_of_exactly_the_limit_is_read(daifu: Daifu, initiator: Person) -> None:
    answer = await post(initiator, json.dumps(GOOD).encode().ljust(64 * 1024))
    assert answer.status_code == 201


async def test_what_people_really_type_is_taken_as_it_is(daifu: Daifu, initiator: Person) -> None:
    typed = {
        "title": " 👩‍👩‍👧 \U0001fae8 \U0001fae9 <b>&amp;\"'` $ne {0} %s 😀 ",
        "note": "第一行\n第二行 \\n </script>",
        "amount": 10_000_000,
        "shares": [9_999_999, 1],
        "expires_in_s": None,
    }
    order = await initiator.place_order(**typed)
    assert order["title"] == str(typed["title"]).strip()
    assert order["note"] == typed["note"]
    assert order["share_amounts"] == typed["shares"]


async def test_limits_are_inclusive(daifu: Daifu, initiator: Person) -> None:
    for fields in (
        {"amount": 1},
        {"amount": 10_000_000},
        {"title": "茶" * 60, "note": "好" * 200},
        {"amount": 50, "shares": 50},
        {"amount": 50, "shares": [1] * 50},
        {"expires_in_s": 60},
        {"expires_in_s": 7 * 86400},
    ):
        await initiator.place_order(**fields)


async def test_the_other_writing_routes_take_nothing_unknown(daifu: Daifu, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    out_trade_no = await initiator.start_payment(order_id)
    before = stored(daifu)
    attempt = f"/api/orders/{order_id}/payments/{out_trade_no}"
    for path in (f"/api/orders/{order_id}/close", f"{attempt}/confirm", f"{attempt}/cancel", "/api/token"):
        for body, field, reason in (
            ({"force": True}, "force", "unknown"),
            ([], "body", "type"),
            ({"state": "PAID"}, "state", "unknown"),
        ):
            detail = problem(await initiator.http.post(path, json=body), 400, "bad_request")
            assert (detail["field"], detail["reason"]) == (field, reason)
    for trade_type, reason in (("CASH", "unsupported"), ("jsapi", "unsupported"), ("", "unsupported"), (1, "type")):
        answer = await initiator.http.post(f"/api/orders/{order_id}/payments", json={"trade_type": trade_type})
        detail = problem(answer, 400, "bad_request")
        assert (detail["field"], detail["reason"]) == ("trade_type", reason)
    answer = await initiator.http.post(f"/api/orders/{order_id}/payments", json={})
    assert problem(answer, 400, "bad_request") == {"field": "trade_type", "reason": "missing"}
    assert stored(daifu) == before
