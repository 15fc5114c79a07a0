"""Refund query: by which number, how many at once, and what it tells of each."""

import re

import pytest

from tests.sandbox.rig import Rig


@pytest.fixture
async def refunded(rig: Rig) -> Rig:
    """A rig with two paid orders of 1000 fen, 300 of each on their way back: REFUND000001 and REFUND000002."""
    for number in ("1", "2"):
        await rig.ordered(f"ORDER00000{number}")
        await rig.paid(f"ORDER00000{number}")
        await rig.refunded(f"REFUND00000{number}", out_trade_no=f"ORDER00000{number}", refund_fee="300")
    return rig


async def test_a_refund_is_described_with_all_wechat_tells(refunded: Rig) -> None:
    await refunded.advance(2)
    answer = await refunded.refund_query(out_refund_no="REFUND000001")
    told = {
        name: answer[name] for name in answer if name not in ("nonce_str", "sign", "return_code", "return_msg", "appid")
    }

    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told.pop("refund_success_time_0"))
    assert told == {
        "mch_id": refunded.merchant["mch_id"],
        "result_code": "SUCCESS",
        "transaction_id": (await refunded.query())["transaction_id"],
        "out_trade_no": "ORDER000001",
        "total_fee": "1000",
        "fee_type": "CNY",
        "cash_fee": "1000",
        "refund_count": "1",
        "out_refund_no_0": "REFUND000001",
        "refund_id_0": (await refunded.refund(refund_fee="300"))["refund_id"],
        "refund_channel_0": "ORIGINAL",
        "refund_fee_0": "300",
        "coupon_refund_fee_0": "0",
        "coupon_refund_count_0": "0",
        "refund_status_0": "SUCCESS",
        "refund_account_0": "REFUND_SOURCE_UNSETTLED_FUNDS",
        "refund_recv_accout_0": "支付用户零钱",
    }


async def test_a_refund_on_its_way_has_no_time_of_success(refunded: Rig) -> None:
    await refunded.advance(60)
    await refunded.refunded("REFUND000003", refund_fee="1")
    answer = await refunded.refund_query(out_refund_no="REFUND000003")

    assert answer["refund_status_0"] == "PROCESSING"
    assert "refund_success_time_0" not in answer


@pytest.mark.parametrize("state", ["CHANGE", "REFUNDCLOSE"])
async def test_a_refund_can_end_without_reaching_the_payer(refunded: Rig, state: str) -> None:
    await refunded.advance(60)
    await refunded.fault("refund", "outcome", state=state)
    await refunded.refunded("REFUND000003", refund_fee="1")
    assert (await refunded.refund_query(out_refund_no="REFUND000003"))["refund_status_0"] == "PROCESSING"
    await refunded.advance(2)
    ended = await refunded.refund_query(out_refund_no="REFUND000003")

    assert ended["refund_status_0"] == state
    assert "refund_success_time_0" not in ended


async def test_the_more_exact_number_wins(refunded: Rig) -> None:
    first = await refunded.refund_query(out_refund_no="REFUND000001")
    second = await refunded.refund_query(out_refund_no="REFUND000002")
    numbers = {
        "refund_id": first["refund_id_0"],
        "out_refund_no": "REFUND000002",
        "transaction_id": first["transaction_id"],
        "out_trade_no": "ORDER000002",
    }

    async def found() -> str:
        return (await refunded.refund_query(**numbers))["out_refund_no_0"]

    assert await found() == "REFUND000001"
    del numbers["refund_id"]
    assert await found() == "REFUND000002"
    del numbers["out_refund_no"]
    assert await found() == "REFUND000001"
    del numbers["transaction_id"]
    assert await found() == "REFUND000002"
    assert second["refund_id_0"] != first["refund_id_0"]


async def test_ten_refunds_make_a_page(refunded: Rig) -> None:
    for n in range(11):
        await refunded.advance(60)
        await refunded.refunded(f"PARTIAL{n:05}", refund_fee="1")
    first = await refunded.refund_query()
    rest = await refunded.refund_query(out_trade_no="ORDER000001", offset="10")

    assert (first["total_refund_count"], first["refund_count"]) == ("12", "10")
    assert (first["out_refund_no_0"], first["out_refund_no_9"]) == ("REFUND000001", "PARTIAL00008")
    assert "out_refund_no_10" not in first
    assert (rest["total_refund_count"], rest["refund_count"]) == ("12", "2")
    assert [rest[f"out_refund_no_{n}"] for n in range(2)] == ["PARTIAL00009", "PARTIAL00010"]


@pytest.mark.parametrize("offset", ["1", "99", "-1", "x"])
async def test_an_offset_beyond_the_refunds_is_an_error(refunded: Rig, offset: str) -> None:
    answer = await refunded.refund_query(out_trade_no="ORDER000001", offset=offset)

    assert (answer["result_code"], answer["err_code"]) == ("FAIL", "PARAM_ERROR")


@pytest.mark.parametrize(
    ("numbers", "err_code"),
    [
        ({"refund_id": "5030"}, "REFUNDNOTEXIST"),
        ({"refund_id": "REFUND000001"}, "REFUNDNOTEXIST"),
        ({"out_refund_no": "NOSUCHREFUND"}, "REFUNDNOTEXIST"),
        ({"transaction_id": "4200" + "0" * 24}, "REFUNDNOTEXIST"),
        ({"transaction_id": "4200"}, "INVALID_TRANSACTIONID"),
        ({"out_trade_no": "NOSUCHORDER"}, "REFUNDNOTEXIST"),
        ({"out_trade_no": "ORDER000003"}, "REFUNDNOTEXIST"),
    ],
)
async def test_a_refund_nobody_asked_for_does_not_exist(refunded: Rig, numbers: dict[str, str], err_code: str) -> None:
    await refunded.ordered("ORDER000003")

    assert (await refunded.refund_query(**numbers))["err_code"] == err_code


async def test_a_query_without_any_number_is_refused(refunded: Rig) -> None:
    answer = await refunded.refund_query(out_trade_no="")

    assert answer == {"return_code": "FAIL", "return_msg": "缺少参数out_trade_no"}
