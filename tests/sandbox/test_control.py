"""The control API and the explaining page."""

import httpx
import pytest

from sandbox.app import make_app
from sandbox.switches import SWITCHES
from sandbox.world import build_world
from tests.sandbox.rig import Rig, served


class TestPay:
    async def test_ok_moves_the_money_and_says_so(self, rig: Rig) -> None:
        await rig.ordered()
        answer = (await rig.pay()).json()

        assert answer["err_msg"] == "get_brand_wcpay_request:ok"
        assert answer["trade_state"] == "SUCCESS"
        assert len(answer["transaction_id"]) == 28

    async def test_takes_a_prepay_id_as_well(self, rig: Rig) -> None:
        prepay_id = await rig.ordered()

        assert (await rig.pay(prepay_id=prepay_id)).json()["trade_state"] == "SUCCESS"

    @pytest.mark.parametrize("outcome", ["cancel", "fail"])
    async def test_cancel_and_fail_leave_the_order_payable(self, rig: Rig, outcome: str) -> None:
        await rig.ordered()
        answer = (await rig.pay(out_trade_no="ORDER000001", outcome=outcome)).json()

        assert answer == {"err_msg": f"get_brand_wcpay_request:{outcome}", "trade_state": "NOTPAY"}
        assert (await rig.pay()).status_code == 200

    async def test_another_person_is_refused_in_the_clients_words(self, rig: Rig) -> None:
        await rig.ordered()
        response = await rig.pay(out_trade_no="ORDER000001", openid=await rig.openid("老王"))

        assert response.status_code == 409
        assert response.json() == {"error": {"code": "payer_mismatch", "message": "下单账号与支付账号不一致"}}
        assert (await rig.query())["trade_state"] == "NOTPAY"

    async def test_a_second_time_is_refused(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.paid()
        response = await rig.pay()

        assert (response.status_code, response.json()["error"]["code"]) == (409, "order_paid")

    async def test_an_old_prepay_id_is_refused_after_two_hours(self, rig: Rig) -> None:
        await rig.ordered()
        await rig.advance(2 * 3600)
        response = await rig.pay()

        assert (response.status_code, response.json()["error"]["code"]) == (409, "prepay_expired")

    @pytest.mark.parametrize(
        ("asked", "status", "code"),
        [
            ({"out_trade_no": "NOSUCHORDER"}, 404, "order_not_found"),
            ({"prepay_id": "wx0"}, 404, "order_not_found"),
            ({"outcome": "ok"}, 400, "bad_request"),
            ({"out_trade_no": 7}, 400, "bad_request"),
            ({"out_trade_no": "ORDER000001", "outcome": "perhaps"}, 400, "bad_outcome"),
        ],
    )
    async def test_what_cannot_be_is_refused(self, rig: Rig, asked: dict[str, object], status: int, code: str) -> None:
        response = await rig.pay(**asked)

        assert (response.status_code, response.json()["error"]["code"]) == (status, code)


async def test_the_ledger_holds_exactly_what_happened(rig: Rig) -> None:
    await rig.ordered()
    await rig.ordered("ORDER000002", total_fee="1")
    transaction_id = await rig.paid("ORDER000002")
    time_end = (await rig.query("ORDER000002"))["time_end"]
    openid = await rig.openid()

    assert (await rig.http.get("/_sim/ledger")).json() == {
        "orders": [
            {"out_trade_no": "ORDER000001", "openid": openid, "total_fee": 1000, "trade_state": "NOTPAY"},
            {
                "out_trade_no": "ORDER000002",
                "openid": openid,
                "total_fee": 1,
                "trade_state": "SUCCESS",
                "transaction_id": transaction_id,
                "time_end": time_end,
            },
        ],
        "refunds": [],
    }


async def test_the_merchant_has_credentials_of_wechats_shapes(rig: Rig) -> None:
    merchant = rig.merchant

    assert merchant["appid"].startswith("wx")
    assert [len(merchant[name]) for name in ("appid", "app_secret", "mch_id", "api_key")] == [18, 32, 10, 32]
    assert merchant["mch_id"].isdigit()
    assert merchant["sign_type"] == "HMAC-SHA256"


async def test_the_journal_tells_what_was_asked_in_order(rig: Rig) -> None:
    await rig.ordered()
    await rig.query("NOSUCHORDER")
    await rig.order(total_fee="0")
    calls = (await rig.calls())["calls"]

    assert [(call["api"], call.get("out_trade_no"), call["answer"]) for call in calls] == [
        ("unifiedorder", "ORDER000001", "SUCCESS"),
        ("orderquery", "NOSUCHORDER", "ORDERNOTEXIST"),
        ("unifiedorder", None, "invalid total_fee"),
    ]
    assert calls[0]["at_ms"] < calls[1]["at_ms"] < calls[2]["at_ms"]


async def test_the_journal_tells_what_is_still_to_be_sent(rig: Rig) -> None:
    await rig.fault("notify", "drop")
    await rig.ordered()
    await rig.paid()
    (dropped,) = await rig.journal_of(1)
    (pending,) = await rig.pending_of(2)
    await rig.advance(15)

    assert await rig.pending_of() == []
    assert pending["out_trade_no"] == "ORDER000001"
    assert pending["due_at_ms"] >= dropped["sent_at_ms"] + 15_000


async def test_the_clock_only_goes_forward(rig: Rig) -> None:
    before_ms = (await rig.http.get("/_sim/clock")).json()["now_ms"]
    after_ms = (await rig.http.post("/_sim/clock", json={"advance_s": 3600})).json()["now_ms"]

    assert 3600_000 <= after_ms - before_ms < 3660_000
    for advance_s in (-1, "1", None, True, 1e12):
        assert (await rig.http.post("/_sim/clock", json={"advance_s": advance_s})).status_code == 400


async def test_users_have_names_and_faces(rig: Rig) -> None:
    users = (await rig.http.get("/_sim/users")).json()
    face = await rig.http.get(users[0]["headimgurl"])

    assert [user["nickname"] for user in users] == ["小明", "小红", "老王", "Alice"]
    assert len({user["openid"] for user in users}) == 4
    assert {len(user["openid"]) for user in users} == {28}
    assert face.headers["Content-Type"] == "image/svg+xml"
    assert face.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert (await rig.http.get("/_sim/avatar/nobody.svg")).status_code == 404


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(rig: Rig, body: bytes) -> None:
    response = await rig.http.post("/_sim/pay", content=body)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_json")


async def test_a_page_of_another_site_controls_nothing(rig: Rig) -> None:
    response = await rig.http.get("/_sim/merchant", headers={"Sec-Fetch-Site": "cross-site"})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")


async def test_only_this_machine_controls_anything(rig: Rig) -> None:
    world = build_world(None)
    afar = {"X-Real-IP": "203.0.113.7"}
    paths = ("/_sim/merchant", "/_sim/bridge.js", "/")
    # Behind this server the peer is whoever the header says; the real one believes no header.
    async with served(make_app(world), xheaders=True) as port, httpx.AsyncClient(headers=afar, trust_env=False) as http:
        statuses = {path: (await http.get(f"http://127.0.0.1:{port}{path}")).status_code for path in paths}
    await world.aclose()

    assert statuses == {"/_sim/merchant": 403, "/_sim/bridge.js": 200, "/": 200}
    assert (await rig.http.get("/_sim/merchant", headers=afar)).status_code == 200


async def test_a_switch_on_the_home_page_turns_a_fault_on_and_all_of_them_off(rig: Rig) -> None:
    for name in SWITCHES:
        answer = await rig.http.post("/_sim/switch", data={"fault": name})
        assert (answer.status_code, answer.headers["location"]) == (303, "/#faults")
    faults = (await rig.http.get("/_sim/faults")).json()["faults"]
    assert [(fault["target"], fault["kind"]) for fault in faults] == [
        (switch.fault["target"], switch.fault["kind"]) for switch in SWITCHES.values()
    ]
    assert "target notify · kind drop · times 0" in (await rig.http.get("/")).text

    assert (await rig.http.post("/_sim/switch", data={"fault": "no such"})).status_code == 400
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert (await rig.http.post("/_sim/switch", data={}, headers=elsewhere)).status_code == 403
    assert (await rig.http.get("/_sim/faults")).json()["faults"] == faults
    await rig.http.post("/_sim/switch", data={"fault": ""})
    assert (await rig.http.get("/_sim/faults")).json()["faults"] == []


async def test_the_home_page_shows_merchant_users_and_newest_orders(rig: Rig) -> None:
    await rig.ordered(body="<b>bold</b>")
    page = await rig.http.get("/")

    assert page.status_code == 200
    for shown in (
        rig.merchant["appid"],
        "小明",
        "ORDER000001",
        "&lt;b&gt;bold",
        "10.00",
        "NOTPAY",
        "/_sim/ledger",
        "unifiedorder",
    ):
        assert shown in page.text
    assert rig.merchant["api_key"] not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
