"""Bills over the wire: when there is one, what stands in it, and how it can be made to differ from the ledger."""

import asyncio
import gzip
from collections import Counter
from decimal import Decimal
from typing import Final

import httpx
import pytest
import xmltodict
from wechatpy.pay import WeChatPay

from sandbox.clock import beijing_time, read_beijing_time
from tests.sandbox.rig import DEADLINE_S, Fields, Rig

BOM: Final = b"\xef\xbb\xbf"
HOUR_MS: Final = 3600 * 1000
NO_BILL: Final = {"return_code": "FAIL", "return_msg": "No Bill Exist", "error_code": "20002"}


async def now_ms(rig: Rig) -> float:
    return float((await rig.http.get("/_sim/clock")).json()["now_ms"])


async def go_to(rig: Rig, bill_date: str, *, hours: float) -> None:
    """Advance the clock to so many hours after midnight of a day in Beijing."""
    due_ms = read_beijing_time(f"{bill_date}000000") + hours * HOUR_MS
    await rig.advance((due_ms - await now_ms(rig)) / 1000)


@pytest.fixture
async def bill_date(rig: Rig) -> str:
    """A day on which two orders of 1000 and 2000 fen were paid at noon and 300 fen of the first went back."""
    day = beijing_time(await now_ms(rig) + 24 * HOUR_MS)[:8]
    await go_to(rig, day, hours=12)
    await rig.ordered(body="帮我付,测试")
    await rig.ordered("ORDER000002", total_fee="2000")
    await rig.paid()
    await rig.advance(1)
    await rig.paid("ORDER000002")
    await rig.advance(1)
    await rig.refunded(refund_fee="300")
    return day


def read(response: httpx.Response) -> tuple[list[Fields], Fields]:
    """Return the rows and the summary of a bill, by column."""
    text = response.content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    header, *lines, sum_header, sums = text.removesuffix("\r\n").split("\r\n")

    def fields(names: str, line: str) -> Fields:
        return dict(zip(names.split(","), line.removeprefix("`").split(",`"), strict=True))

    return [fields(header, line) for line in lines], fields(sum_header, sums)


def failure(response: httpx.Response) -> Fields:
    return dict(xmltodict.parse(response.content)["xml"])


def numbers(rows: list[Fields]) -> list[str]:
    """Return the refund number of each refund's row and the order number of each payment's."""
    return [row["商户订单号"] if row["交易状态"] == "SUCCESS" else row["商户退款单号"] for row in rows]


class TestABill:
    async def test_holds_the_days_payments_and_refunds_in_yuan(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        response = await rig.bill(bill_date)
        rows, sums = read(response)
        refund_id = (await rig.refund_query())["refund_id_0"]

        assert response.content.startswith(BOM)
        assert response.headers["Content-Type"].startswith("text/plain")
        assert numbers(rows) == ["ORDER000001", "ORDER000002", "REFUND000001"]
        assert [row["订单金额"] for row in rows] == ["10.00", "20.00", "0.00"]
        assert [row["申请退款金额"] for row in rows] == ["0.00", "0.00", "3.00"]
        assert [row["手续费"] for row in rows] == ["0.06000", "0.12000", "-0.02000"]
        assert [row["微信退款单号"] for row in rows] == ["0", "0", refund_id]
        assert [row["退款状态"] for row in rows] == ["", "", "SUCCESS"]
        assert rows[0]["商品名称"] == "帮我付,测试"
        assert rows[0]["微信订单号"] == (await rig.query())["transaction_id"]
        assert {row["用户标识"] for row in rows} == {await rig.openid()}
        assert {row["交易时间"][:10].replace("-", "") for row in rows} == {bill_date}
        assert list(sums.values()) == ["3.0", "30.00", "3.00", "0.00", "0.16", "30.00", "3.00"]

    @pytest.mark.parametrize(
        ("bill_type", "columns", "expected"),
        [
            ("ALL", 27, ["ORDER000001", "ORDER000002", "REFUND000001"]),
            ("SUCCESS", 20, ["ORDER000001", "ORDER000002"]),
            ("REFUND", 29, ["REFUND000001"]),
        ],
    )
    async def test_has_the_rows_and_columns_of_its_type(
        self, rig: Rig, bill_date: str, bill_type: str, columns: int, expected: list[str]
    ) -> None:
        await go_to(rig, bill_date, hours=34)
        rows, sums = read(await rig.bill(bill_date, bill_type))

        assert numbers(rows) == expected
        assert {len(row) for row in rows} == {columns}
        assert sums["总交易单数"] == f"{len(expected)}.0"

    async def test_is_gzip_of_the_same_text_when_asked(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        plain = await rig.bill(bill_date)
        zipped = await rig.bill(bill_date, tar_type="GZIP")

        assert zipped.content[:2] == b"\x1f\x8b"
        assert gzip.decompress(zipped.content) == plain.content

    async def test_holds_a_refund_on_the_day_it_was_asked_for(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=36)
        await rig.refunded("REFUND000002", refund_fee="700")
        next_day = beijing_time(await now_ms(rig))[:8]
        await go_to(rig, next_day, hours=34)

        assert numbers(read(await rig.bill(bill_date))[0]) == ["ORDER000001", "ORDER000002", "REFUND000001"]
        assert numbers(read(await rig.bill(next_day))[0]) == ["REFUND000002"]
        assert failure(await rig.bill(next_day, "SUCCESS")) == NO_BILL

    async def test_leaves_out_a_refund_whose_money_stayed(self, rig: Rig, bill_date: str) -> None:
        for number, state in (("REFUND000002", "REFUNDCLOSE"), ("REFUND000003", "CHANGE")):
            await rig.advance(60)
            await rig.fault("refund", "outcome", state=state)
            await rig.refunded(number, refund_fee="1")
        await go_to(rig, bill_date, hours=34)
        rows, _ = read(await rig.bill(bill_date, "REFUND"))

        assert [(row["商户退款单号"], row["退款状态"], row["退款成功时间"][13:14]) for row in rows] == [
            ("REFUND000001", "SUCCESS", ":"),
            ("REFUND000003", "CHANGE", ""),
        ]

    async def test_is_read_by_an_independent_client(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        peer = WeChatPay(rig.merchant["appid"], rig.merchant["api_key"], rig.merchant["mch_id"], timeout=DEADLINE_S)
        peer.API_BASE_URL = f"{rig.http.base_url}/"
        try:
            text: str = await asyncio.to_thread(peer.tools.download_bill, bill_date)
        finally:
            peer._http.close()

        assert text.encode() == (await rig.bill(bill_date)).content


class TestNoBill:
    async def test_is_made_before_ten_the_next_morning(self, rig: Rig, bill_date: str) -> None:
        assert failure(await rig.bill(bill_date)) == NO_BILL
        await go_to(rig, bill_date, hours=32.9)
        assert failure(await rig.bill(bill_date)) == NO_BILL
        await go_to(rig, bill_date, hours=33)
        assert failure(await rig.bill(bill_date)) == {"return_code": "FAIL", "return_msg": "Bill Creating"}
        await go_to(rig, bill_date, hours=34)
        assert (await rig.bill(bill_date)).content.startswith(BOM)

    async def test_is_kept_longer_than_three_months(self, rig: Rig, bill_date: str) -> None:
        await rig.advance(93 * 24 * 3600)

        assert failure(await rig.bill(bill_date)) == NO_BILL

    async def test_is_made_of_a_day_without_money(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        day_before = beijing_time(read_beijing_time(f"{bill_date}000000") - HOUR_MS)[:8]

        assert failure(await rig.bill(day_before)) == NO_BILL
        assert failure(await rig.bill(bill_date, "RECHARGE_REFUND")) == NO_BILL

    @pytest.mark.parametrize(
        ("changes", "return_msg"),
        [
            ({"bill_date": ""}, "missing parameter"),
            ({"bill_type": ""}, "missing parameter"),
            ({"appid": ""}, "missing parameter"),
            ({"bill_type": "REVOKED"}, "invalid bill_type"),
            ({"bill_date": "2026-11-21"}, "data format error"),
            ({"bill_date": "20261341"}, "data format error"),
            ({"tar_type": "ZIP"}, "data format error"),
        ],
    )
    async def test_comes_of_a_bad_request(self, rig: Rig, changes: dict[str, str], return_msg: str) -> None:
        response = await rig.bill(**{"bill_date": "20261121", "tar_type": "GZIP", **changes})

        assert failure(response) == {"return_code": "FAIL", "return_msg": return_msg}

    async def test_comes_of_a_wrong_signature(self, rig: Rig) -> None:
        body = f"<xml><appid>{rig.merchant['appid']}</appid><mch_id>{rig.merchant['mch_id']}</mch_id>".encode()
        response = await rig.http.post(
            "/pay/downloadbill", content=body + b"<nonce_str>n</nonce_str><sign>S</sign></xml>"
        )

        assert failure(response) == {"return_code": "FAIL", "return_msg": "SIGN ERROR"}


class TestDifferences:
    @pytest.mark.parametrize(
        ("kind", "parameters", "gone", "come"),
        [
            ("missing", {}, ["ORDER000001 10.00"], []),
            ("missing", {"out_trade_no": "ORDER000002"}, ["ORDER000002 20.00"], []),
            ("extra", {}, [], ["FOREIGN0000000000000000001 0.01"]),
            ("extra", {"out_trade_no": "STRANGE0001", "total_fee": 500}, [], ["STRANGE0001 5.00"]),
            ("amount", {}, ["ORDER000001 10.00"], ["ORDER000001 10.01"]),
            ("amount", {"out_trade_no": "ORDER000002", "total_fee": 1}, ["ORDER000002 20.00"], ["ORDER000002 0.01"]),
            ("duplicate", {}, [], ["ORDER000001 10.00"]),
            ("refund_missing", {}, ["REFUND000001 3.00"], []),
            ("refund_missing", {"out_refund_no": "REFUND000001"}, ["REFUND000001 3.00"], []),
            ("refund_extra", {"out_refund_no": "STRANGE0001", "refund_fee": 5}, [], ["STRANGE0001 0.05"]),
            ("refund_amount", {"refund_fee": 299}, ["REFUND000001 3.00"], ["REFUND000001 2.99"]),
            ("refund_duplicate", {}, [], ["REFUND000001 3.00"]),
            ("missing", {"out_trade_no": "NOSUCHORDER"}, [], []),
        ],
    )
    async def test_one_row_differs_and_the_sums_follow(
        self, rig: Rig, bill_date: str, kind: str, parameters: dict[str, object], gone: list[str], come: list[str]
    ) -> None:
        await go_to(rig, bill_date, hours=34)
        true, _ = read(await rig.bill(bill_date))
        await rig.fault("downloadbill", kind, **parameters)
        bent, sums = read(await rig.bill(bill_date))

        def amounts(rows: list[Fields]) -> Counter[str]:
            pays = [row["订单金额"] if row["交易状态"] == "SUCCESS" else row["退款金额"] for row in rows]
            return Counter(f"{number} {pay}" for number, pay in zip(numbers(rows), pays, strict=True))

        assert amounts(true) - amounts(bent) == Counter(gone)
        assert amounts(bent) - amounts(true) == Counter(come)
        assert sums["总交易单数"] == f"{len(bent)}.0"
        assert Decimal(sums["订单总金额"]) == sum(Decimal(row["订单金额"]) for row in bent)
        assert read(await rig.bill(bill_date))[0] == true

    async def test_a_strange_refund_can_be_of_a_known_order(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        await rig.fault("downloadbill", "refund_extra", out_trade_no="ORDER000002")
        rows, _ = read(await rig.bill(bill_date))
        strange = next(row for row in rows if row["商户退款单号"].startswith("FOREIGN"))

        assert strange["微信订单号"] == (await rig.query("ORDER000002"))["transaction_id"]

    async def test_a_strange_payment_makes_the_bill_of_an_empty_day(self, rig: Rig, bill_date: str) -> None:
        await go_to(rig, bill_date, hours=34)
        await rig.fault("downloadbill", "extra", times=0)
        day_before = beijing_time(read_beijing_time(f"{bill_date}000000") - HOUR_MS)[:8]

        assert numbers(read(await rig.bill(day_before))[0]) == ["FOREIGN0000000000000000001"]
        assert failure(await rig.bill(day_before, "REFUND")) == NO_BILL

    @pytest.mark.parametrize(
        ("kind", "parameters", "column", "value"),
        [
            ("openid", {}, "用户标识", "oForeignForeignForeignForeig"),
            ("openid", {"openid": "oOther"}, "用户标识", "oOther"),
            ("transaction_id", {"transaction_id": "4200009"}, "微信订单号", "4200009"),
            ("revoked", {}, "交易状态", "REVOKED"),
            ("refund_status", {}, "退款状态", "CHANGE"),
            ("refund_status", {"refund_status": "PROCESSING"}, "退款状态", "PROCESSING"),
        ],
    )
    async def test_one_word_differs(
        self, rig: Rig, bill_date: str, kind: str, parameters: dict[str, object], column: str, value: str
    ) -> None:
        await go_to(rig, bill_date, hours=34)
        true, _ = read(await rig.bill(bill_date))
        await rig.fault("downloadbill", kind, **parameters)
        bent, _ = read(await rig.bill(bill_date))

        assert [
            (name, row[name])
            for row, before in zip(bent, true, strict=True)
            for name in row
            if row[name] != before[name]
        ] == [(column, value)]


async def test_a_bill_can_come_plain_although_gzip_was_asked(rig: Rig, bill_date: str) -> None:
    await go_to(rig, bill_date, hours=34)
    await rig.fault("downloadbill", "plain")

    plain = await rig.bill(bill_date, tar_type="GZIP")

    assert read(plain) == read(await rig.bill(bill_date))


async def test_an_error_is_xml_even_when_gzip_was_asked(rig: Rig, bill_date: str) -> None:
    await go_to(rig, bill_date, hours=34)
    await rig.fault("downloadbill", "error", code="SYSTEMERROR")

    assert failure(await rig.bill(bill_date, tar_type="GZIP")) == {"return_code": "FAIL", "return_msg": "SYSTEMERROR"}
    assert (await rig.bill(bill_date, tar_type="GZIP")).content[:2] == b"\x1f\x8b"
