"""Refunds: what WeChat takes, what it refuses and by which code, and when the money has gone back."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay

from sandbox.app import start
from tests.sandbox.rig import DEADLINE_S, Rig, a_shop, rig_at

YEAR_S = 365 * 24 * 3600


@pytest.fixture
async def paid(rig: Rig) -> Rig:
    """A rig whose first order, of 1000 fen, is paid."""
    await rig.ordered()
    await rig.paid()
    return rig


@pytest.fixture
async def peer(rig: Rig) -> AsyncIterator[WeChatPay]:
    """An independent client of the same merchant."""
    peer = WeChatPay(rig.merchant["appid"], rig.merchant["api_key"], rig.merchant["mch_id"], timeout=DEADLINE_S)
    peer.API_BASE_URL = f"{rig.http.base_url}/"
    yield peer
    peer._http.close()


@pytest.mark.parametrize("sign_type", ["", "MD5", "HMAC-SHA256"])
async def test_a_refund_is_accepted_with_all_wechat_tells(paid: Rig, sign_type: str) -> None:
    answer = await paid.refund(sign_type=sign_type)
    transaction_id = (await paid.query())["transaction_id"]

    assert len(answer["refund_id"]) == 28
    assert len(answer["sign"]) == (64 if sign_type == "HMAC-SHA256" else 32)
    named = {name: value for name, value in answer.items() if name not in ("nonce_str", "sign", "refund_id")}
    assert named == {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "result_code": "SUCCESS",
        "appid": paid.merchant["appid"],
        "mch_id": paid.merchant["mch_id"],
        "transaction_id": transaction_id,
        "out_trade_no": "ORDER000001",
        "out_refund_no": "REFUND000001",
        "total_fee": "1000",
        "fee_type": "CNY",
        "cash_fee": "1000",
        "refund_fee": "1000",
        "cash_refund_fee": "1000",
        "coupon_refund_fee": "0",
        "coupon_refund_count": "0",
    }


async def test_accepted_is_not_yet_refunded(paid: Rig) -> None:
    await paid.advance(1000)
    await paid.refunded(refund_fee="300")
    line = {"out_refund_no": "REFUND000001", "out_trade_no": "ORDER000001", "refund_fee": 300}

    assert (await paid.ledger())["refunds"] == [{**line, "refund_status": "PROCESSING"}]
    await paid.advance(2)
    assert (await paid.ledger())["refunds"] == [{**line, "refund_status": "SUCCESS"}]
    assert [order["trade_state"] for order in (await paid.ledger())["orders"]] == ["REFUND"]


async def test_a_refunded_order_was_paid_all_the_same(paid: Rig) -> None:
    transaction_id = (await paid.query())["transaction_id"]
    await paid.refunded(refund_fee="1")
    state = await paid.query()

    assert (state["trade_state"], state["transaction_id"], state["total_fee"]) == ("REFUND", transaction_id, "1000")
    assert (await paid.close())["err_code"] == "ORDERPAID"
    assert (await paid.order())["err_code"] == "ORDERPAID"
    assert (await paid.pay()).json()["error"]["code"] == "order_paid"


async def test_how_long_a_refund_is_on_its_way_can_be_chosen() -> None:
    async with a_shop() as shop:
        sandbox = await start(refund_after_s=3600)
        try:
            async with rig_at(sandbox.url, shop) as rig:
                await rig.ordered()
                await rig.paid()
                await rig.refunded()
                await rig.advance(3500)
                assert (await rig.refund_query())["refund_status_0"] == "PROCESSING"
                await rig.advance(100)
                assert (await rig.refund_query())["refund_status_0"] == "SUCCESS"
        finally:
            await sandbox.aclose()


async def test_transaction_id_wins_over_out_trade_no(paid: Rig) -> None:
    await paid.ordered("ORDER000002")
    transaction_id = await paid.paid("ORDER000002")

    assert (await paid.refund(transaction_id=transaction_id))["out_trade_no"] == "ORDER000002"
    assert (await paid.refund("REFUND000002", transaction_id=transaction_id[::-1]))["err_code"] == "ORDERNOTEXIST"


class TestTheSameNumberAgain:
    async def test_with_the_same_amounts_finds_the_first_refund(self, paid: Rig) -> None:
        refund_id = await paid.refunded()
        again = [await paid.refunded() for _ in range(3)]
        await paid.advance(YEAR_S + 1)
        late = await paid.refunded()

        assert {*again, late} == {refund_id}
        assert len((await paid.ledger())["refunds"]) == 1

    async def test_sent_many_times_at_once_refunds_once(self, paid: Rig) -> None:
        refund_ids = await asyncio.gather(*(paid.refunded() for _ in range(20)))

        assert len(set(refund_ids)) == 1
        assert [refund["refund_fee"] for refund in (await paid.ledger())["refunds"]] == [1000]

    @pytest.mark.parametrize("changes", [{"refund_fee": "999"}, {"total_fee": "1001"}])
    async def test_with_other_amounts_is_a_mismatch(self, paid: Rig, changes: dict[str, str]) -> None:
        await paid.refunded()

        assert (await paid.refund(**changes))["err_code"] == "REFUND_FEE_MISMATCH"
        assert [refund["refund_fee"] for refund in (await paid.ledger())["refunds"]] == [1000]

    async def test_for_another_order_is_refused(self, paid: Rig) -> None:
        await paid.ordered("ORDER000002")
        await paid.paid("ORDER000002")
        await paid.refunded()

        assert (await paid.refund(out_trade_no="ORDER000002"))["err_code"] == "INVALID_REQUEST"
        assert len((await paid.ledger())["refunds"]) == 1


class TestLimits:
    async def test_no_more_goes_back_than_was_paid(self, paid: Rig) -> None:
        await paid.refunded(refund_fee="600")
        await paid.advance(60)

        assert (await paid.refund("REFUND000002", refund_fee="401"))["err_code"] == "INVALID_REQUEST"
        await paid.refunded("REFUND000002", refund_fee="400")
        await paid.advance(60)
        assert (await paid.refund("REFUND000003", refund_fee="1"))["err_code"] == "ERROR"

    async def test_of_refunds_asked_at_once_one_wins(self, paid: Rig) -> None:
        answers = await asyncio.gather(*(paid.refund(f"REFUND{n:06}", refund_fee="600") for n in range(10)))

        assert sorted(answer.get("err_code", "") for answer in answers) == ["", *["INVALID_REQUEST"] * 9]

    async def test_two_refunds_of_an_order_are_a_minute_apart(self, paid: Rig) -> None:
        await paid.ordered("ORDER000002")
        await paid.paid("ORDER000002")
        await paid.refunded(refund_fee="1")
        await paid.advance(50)

        assert (await paid.refund("REFUND000002", refund_fee="1"))["err_code"] == "FREQUENCY_LIMITED"
        await paid.refunded("REFUND000003", out_trade_no="ORDER000002")
        await paid.advance(10)
        await paid.refunded("REFUND000002", refund_fee="1")

    async def test_an_order_takes_fifty_refunds(self, paid: Rig) -> None:
        for n in range(50):
            await paid.refunded(f"REFUND{n + 1:06}", refund_fee="1", notify_url="")
            await paid.advance(60)

        assert (await paid.refund("REFUND000051", refund_fee="1"))["err_code"] == "ERROR"
        assert sum(refund["refund_fee"] for refund in (await paid.ledger())["refunds"]) == 50

    async def test_money_goes_back_for_a_year(self, paid: Rig) -> None:
        await paid.advance(YEAR_S - 60)
        await paid.refunded(refund_fee="1")
        await paid.advance(120)

        assert (await paid.refund("REFUND000002", refund_fee="1"))["err_code"] == "TRADE_OVERDUE"

    async def test_money_that_stayed_can_be_refunded_under_another_number(self, paid: Rig) -> None:
        await paid.fault("refund", "outcome", state="REFUNDCLOSE")
        await paid.refunded()
        await paid.advance(60)

        assert (await paid.query())["trade_state"] == "SUCCESS"
        await paid.refunded("REFUND000002")
        assert (await paid.query())["trade_state"] == "REFUND"

    async def test_money_that_came_back_to_the_merchant_has_left_the_order(self, paid: Rig) -> None:
        await paid.fault("refund", "outcome", state="CHANGE")
        await paid.refunded()
        await paid.advance(60)

        assert (await paid.refund_query())["refund_status_0"] == "CHANGE"
        assert (await paid.refund("REFUND000002"))["err_code"] == "ERROR"


@pytest.mark.parametrize(
    ("changes", "err_code"),
    [
        ({"out_refund_no": "refund no"}, "PARAM_ERROR"),
        ({"out_refund_no": "退款0001"}, "PARAM_ERROR"),
        ({"refund_fee": "0"}, "PARAM_ERROR"),
        ({"refund_fee": "-1"}, "PARAM_ERROR"),
        ({"refund_fee": "1.00"}, "PARAM_ERROR"),
        ({"refund_fee": "１"}, "PARAM_ERROR"),
        ({"total_fee": "0"}, "PARAM_ERROR"),
        ({"refund_fee_type": "USD"}, "PARAM_ERROR"),
        ({"refund_account": "MY_ACCOUNT"}, "PARAM_ERROR"),
        ({"notify_url": "http://pay.example.com/refund"}, "PARAM_ERROR"),
        ({"notify_url": "https://pay.example.com/refund?a=1"}, "PARAM_ERROR"),
        ({"detail": "x" * 6001}, "PARAM_ERROR"),
        ({"transaction_id": "4200"}, "INVALID_TRANSACTIONID"),
        ({"total_fee": "1001"}, "INVALID_REQUEST"),
        ({"refund_fee": "1001"}, "INVALID_REQUEST"),
        ({"out_trade_no": "NOSUCHORDER"}, "ORDERNOTEXIST"),
        ({"out_trade_no": "ORDER000002"}, "ORDERNOTEXIST"),
        ({"appid": "wx1234567890abcdef"}, "APPID_MCHID_NOT_MATCH"),
    ],
)
async def test_what_wechat_would_not_refund_is_refused(paid: Rig, changes: dict[str, str], err_code: str) -> None:
    await paid.ordered("ORDER000002")
    answer = await paid.refund(**{"out_refund_no": "REFUND000001", **changes})

    assert (answer["return_code"], answer["result_code"], answer["err_code"]) == ("SUCCESS", "FAIL", err_code)
    assert answer["sign"]
    assert (await paid.ledger())["refunds"] == []


@pytest.mark.parametrize(
    ("changes", "return_msg"),
    [
        ({"out_refund_no": ""}, "缺少参数out_refund_no"),
        ({"total_fee": ""}, "缺少参数total_fee"),
        ({"refund_fee": ""}, "缺少参数refund_fee"),
        ({"out_trade_no": ""}, "缺少参数out_trade_no"),
        ({"out_refund_no": "R" * 65}, "out_refund_no参数长度有误"),
        ({"refund_desc": "退" * 81}, "refund_desc参数长度有误"),
        ({"mch_id": "1234567890"}, "MCHID_NOT_EXIST"),
        ({"sign_type": "SHA1"}, "sign_type参数格式错误"),
    ],
)
async def test_what_cannot_be_read_is_refused_unsigned(paid: Rig, changes: dict[str, str], return_msg: str) -> None:
    answer = await paid.refund(**{"out_refund_no": "REFUND000001", **changes})

    assert answer == {"return_code": "FAIL", "return_msg": return_msg}


@pytest.mark.parametrize("path", ["/secapi/pay/refund", "/pay/refundquery", "/pay/downloadbill"])
async def test_get_is_not_the_method(rig: Rig, path: str) -> None:
    assert "REQUIRE_POST_METHOD" in (await rig.http.get(path)).text


async def test_every_field_wechat_knows_is_taken(paid: Rig) -> None:
    await paid.refunded(
        "-_|*@" + "R" * 59,
        refund_fee_type="CNY",
        refund_desc="退" * 80,
        refund_account="REFUND_SOURCE_RECHARGE_FUNDS",
        detail="x" * 6000,
    )

    assert (await paid.refund_query())["refund_account_0"] == "REFUND_SOURCE_RECHARGE_FUNDS"


async def test_an_independent_client_refunds_and_asks(paid: Rig, peer: WeChatPay) -> None:
    accepted = await asyncio.to_thread(peer.refund.apply, 1000, 400, "PEERREFUND1", out_trade_no="ORDER000001")
    asked = await asyncio.to_thread(peer.refund.query, out_refund_no="PEERREFUND1")
    with pytest.raises(WeChatPayException) as mismatch:
        await asyncio.to_thread(peer.refund.apply, 1000, 401, "PEERREFUND1", out_trade_no="ORDER000001")
    with pytest.raises(WeChatPayException) as unknown:
        await asyncio.to_thread(peer.refund.query, out_refund_no="PEERREFUND2")

    assert peer.check_signature(dict(accepted))
    assert peer.check_signature(dict(asked))
    assert (asked["refund_id_0"], asked["refund_fee_0"]) == (accepted["refund_id"], "400")
    assert mismatch.value.errcode == "REFUND_FEE_MISMATCH"
    assert unknown.value.errcode == "REFUNDNOTEXIST"


async def test_the_home_page_shows_the_newest_refunds(paid: Rig) -> None:
    empty = await paid.http.get("/")
    await paid.refunded(refund_fee="205")
    page: httpx.Response = await paid.http.get("/")

    assert "No refunds yet" in empty.text
    for shown in ("REFUND000001", "2.05", "PROCESSING", "1 refunds"):
        assert shown in page.text
