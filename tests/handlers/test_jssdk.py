"""Pages of ours are signed for the JS-SDK with the ticket in force, and nobody else's."""

import hashlib
from typing import Final
from urllib.parse import urlsplit

import httpx
import pytest

from sandbox.app import Sandbox
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import Daifu


async def verdict(wechat: Sandbox, url: str, signed: dict[str, object]) -> str:
    """Return what WeChat's client says to `wx.config` on the page at this address."""
    parts = urlsplit(url)
    asked = {"origin": f"{parts.scheme}://{parts.netloc}", "url": url, "config": httpx.Response(200, json=signed).text}
    async with a_client(wechat.url) as http:
        page = await http.get("/_sim/jssdk", params=asked)
    return page.text.partition('data-err-msg="')[2].partition('"')[0]


@pytest.mark.parametrize(
    "path", ["/pay/01HZX", "/pay/01HZX?from=singlemessage&isappinstalled=0", "/pay/x?a=b%20c", "/pay/x?q=搜索"]
)
async def test_wechat_believes_the_signature_of_a_page_of_ours(
    daifu: Daifu, wechat: Sandbox, initiator: Person, path: str
) -> None:
    url = daifu.url + path
    answer = await initiator.http.get("/api/jssdk", params={"url": f"{url}#viewer=1"})

    assert answer.status_code == 200
    assert answer.json().keys() == {"appId", "timestamp", "nonceStr", "signature"}
    assert await verdict(wechat, url, answer.json()) == "config:ok"
    assert await verdict(wechat, f"{url}x", answer.json()) == "config:fail,invalid signature"


async def test_pages_cost_one_ticket_and_no_two_signatures_are_the_same(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person
) -> None:
    asked = {"url": f"{daifu.url}/"}
    signed = [(await initiator.http.get("/api/jssdk", params=asked)).json()["signature"] for _ in range(3)]

    assert len({*signed}) == 3
    assert all(len(signature) == len(hashlib.sha1().hexdigest()) for signature in signed)
    calls = [call["api"] for call in (await wechat_control.get("/_sim/calls")).json()["calls"]]
    assert [call for call in calls if call in ("stable_token", "getticket")] == ["stable_token", "getticket"]


REFUSED: Final = (
    ("", "is missing"),
    ("#x", "is missing"),
    ("https://evil.example/", "is not an address of this site"),
    ("{origin}.evil.example/", "is not an address of this site"),
    ("{origin}@evil.example/", "is not an address of this site"),
    ("//evil.example/", "is not an address of this site"),
    ("http://[/", "is not an address of this site"),
    ("{origin}/\n", "contains characters that are not allowed"),
    (" {origin}/", "contains characters that are not allowed"),
    ("{origin}/" + "x" * 2048, "must have at most 2048 characters"),
)


async def test_any_other_address_is_refused_and_wechat_is_not_asked(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person
) -> None:
    for url, reason in REFUSED:
        answer = await initiator.http.get("/api/jssdk", params={"url": url.replace("{origin}", daifu.url)})
        problem(answer, 400, "bad_request")
        assert answer.json()["error"]["message"] == f"url: {reason}"
    calls = [call["api"] for call in (await wechat_control.get("/_sim/calls")).json()["calls"]]
    assert "getticket" not in calls


async def test_a_stranger_gets_no_signature(daifu: Daifu) -> None:
    async with a_client(daifu.url) as http:
        problem(await http.get("/api/jssdk", params={"url": f"{daifu.url}/"}), 401, "not_logged_in")


@pytest.mark.parametrize("fault", [{"kind": "fail_before"}, {"kind": "garbage"}, {"kind": "error", "code": 45009}])
async def test_without_a_ticket_the_page_is_told_so(
    daifu: Daifu, wechat_control: httpx.AsyncClient, initiator: Person, fault: dict[str, object]
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "getticket", **fault})
    asked = {"url": f"{daifu.url}/"}
    problem(await initiator.http.get("/api/jssdk", params=asked), 502, "wechat_unavailable")
    assert (await initiator.http.get("/api/jssdk", params=asked)).status_code == 200
