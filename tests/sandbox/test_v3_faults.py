"""Faults on API v3: answers and notifies that must not be trusted, and those that can but say something strange."""

import json
from typing import Any

import httpx
import pytest

from sandbox.notify_body import FOREIGN_OPENID
from tests.sandbox.rig import Rig
from tests.sandbox.v3_rig import ORDER, V3Merchant, is_rightly_signed, public_key_of

QUERY = f"/v3/pay/transactions/out-trade-no/{ORDER}"


@pytest.fixture
async def merchant(rig: Rig) -> V3Merchant:
    return V3Merchant(rig)


async def ask(rig: Rig, merchant: V3Merchant) -> httpx.Response:
    return await merchant.send("GET", f"{QUERY}?mchid={rig.merchant['mch_id']}")


class TestAnAnswer:
    @pytest.mark.parametrize("kind", ["bad_sign", "probe", "serial", "unsigned"])
    async def test_that_is_signed_wrongly_is_not_trusted_by_the_peer(
        self, rig: Rig, merchant: V3Merchant, kind: str
    ) -> None:
        await rig.fault("unifiedorder", kind)
        with pytest.raises(Exception, match=r"verify the signature|does not support this algorithm"):
            await merchant.order()

        assert [order["trade_state"] for order in (await rig.ledger())["orders"]] == ["NOTPAY"]

    async def test_that_is_stale_is_rightly_signed(self, rig: Rig, merchant: V3Merchant) -> None:
        await merchant.order()
        fresh = await ask(rig, merchant)
        await rig.fault("orderquery", "stale")
        stale = await ask(rig, merchant)

        assert is_rightly_signed(public_key_of(rig), stale.headers, stale.content)
        age_s = int(fresh.headers["Wechatpay-Timestamp"]) - int(stale.headers["Wechatpay-Timestamp"])
        assert age_s > 290

    async def test_may_be_an_error_without_effect(self, rig: Rig, merchant: V3Merchant) -> None:
        await rig.fault("unifiedorder", "error", code="SYSTEM_ERROR")
        await rig.fault("unifiedorder", "status", status=502)
        system_error, bad_gateway = [await merchant.send("POST", "/v3/pay/transactions/native", {}) for _ in range(2)]

        assert (system_error.status_code, system_error.json()["code"]) == (500, "SYSTEM_ERROR")
        assert (bad_gateway.status_code, bad_gateway.content) == (502, b"")
        assert (await rig.ledger())["orders"] == []

    async def test_may_be_lost_before_or_after_the_effect(self, rig: Rig, merchant: V3Merchant) -> None:
        order = merchant.order_body()
        for kind, count in (("fail_before", 0), ("fail_after", 1)):
            await rig.fault("unifiedorder", kind)
            with pytest.raises(httpx.TransportError):
                await merchant.send("POST", "/v3/pay/transactions/native", order)
            assert len((await rig.ledger())["orders"]) == count

    async def test_to_a_close_may_be_garbage(self, rig: Rig, merchant: V3Merchant) -> None:
        await merchant.order()
        await rig.fault("closeorder", "garbage")
        answer = await merchant.send("POST", f"{QUERY}/close", {"mchid": rig.merchant["mch_id"]})

        assert not is_rightly_signed(public_key_of(rig), answer.headers, answer.content)
        assert (await merchant.query())["trade_state"] == "CLOSED"


class TestANotify:
    @pytest.mark.parametrize("kind", ["forge", "serial", "stale", "unsigned", "reserialised", "bad_cipher"])
    async def test_that_must_not_be_trusted_never_counts_as_delivered(
        self, rig: Rig, merchant: V3Merchant, kind: str
    ) -> None:
        await rig.fault("notify", kind)
        await merchant.paid()
        ((headers, body),) = await rig.shop.wait_for_letters()
        await rig.pending_of(2)
        await rig.advance(15)
        true_headers, true_body = (await rig.shop.wait_for_letters(2))[1]

        public_key = public_key_of(rig)
        is_signed = kind != "unsigned" and is_rightly_signed(public_key, headers, body)
        assert is_signed == (kind in ("serial", "stale", "bad_cipher"))
        assert is_rightly_signed(public_key, true_headers, true_body)
        if kind == "reserialised":
            assert json.loads(body)["resource"].keys() == json.loads(true_body)["resource"].keys()

    async def test_is_probed_as_often_as_asked_and_then_comes_truly(self, rig: Rig, merchant: V3Merchant) -> None:
        await rig.fault("notify", "probe", times=0, percent=100)
        await merchant.paid()
        (probe, probed), (true, body) = await rig.shop.wait_for_letters(2)
        await rig.pending_of()

        assert probe["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
        assert not is_rightly_signed(public_key_of(rig), probe, probed)
        assert is_rightly_signed(public_key_of(rig), true, body)

    async def test_is_left_alone_by_a_fault_of_no_percent(self, rig: Rig, merchant: V3Merchant) -> None:
        await rig.fault("notify", "drop", times=0, percent=0)
        await merchant.paid()
        await rig.shop.wait_for_letters()

        assert (await merchant.heard())["resource"]["trade_state"] == "SUCCESS"

    @pytest.mark.parametrize(
        ("kind", "field", "value"),
        [
            ("amount", ("amount", "total"), 1001),
            ("openid", ("payer", "openid"), FOREIGN_OPENID),
            ("mch_id", ("mchid",), "1000000001"),
            ("coupon", ("amount", "payer_total"), 999),
            ("unknown_fields", ("future_field_x", "new"), [1, None, "x"]),
        ],
    )
    async def test_may_be_trusted_and_say_something_strange(
        self, rig: Rig, merchant: V3Merchant, kind: str, field: tuple[str, ...], value: object
    ) -> None:
        await rig.fault("notify", kind)
        await merchant.paid()
        await rig.shop.wait_for_letters()
        told: Any = (await merchant.heard())["resource"]
        for name in field:
            told = told[name]

        assert told == value
        assert await rig.pending_of() == []

    async def test_of_a_refund_is_forged_and_bent_as_well(self, rig: Rig, merchant: V3Merchant) -> None:
        await merchant.paid()
        await rig.fault("refund_notify", "forge")
        await rig.fault("refund_notify", "amount")
        await merchant.refund(refund=300)
        await rig.advance(2)
        await rig.shop.wait_for_letters(2)
        assert await merchant.heard() == {}
        await rig.pending_of(2)
        await rig.advance(15)
        await rig.shop.wait_for_letters(3)

        assert (await merchant.heard())["resource"]["amount"]["refund"] == 301
