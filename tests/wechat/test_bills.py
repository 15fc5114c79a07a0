import contextlib
import gzip
from collections.abc import Callable, Sequence
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.domain.bill import Bill
from server.errors import MalformedBill, NoBill, WeChatError, WeChatRefused, WeChatUnavailable
from server.wechat import bills
from server.wechat.bills import downloadbill, read_bill
from server.wechat.flat_xml import read_flat_xml
from tests.wechat.bill_wire import BILL, COLUMNS, OLD_COLUMNS, PAID, REFUNDED, a_bill, on_the_wire
from tests.wechat.wechat_wire import BEIJING_MS, OUT_TRADE_NO, a_merchant, signature, to_wire


def why_malformed(body: bytes) -> str:
    with pytest.raises(MalformedBill) as caught:
        read_bill(body)
    return caught.value.reason


class TestCall:
    def test_asks_for_all_trades_of_the_day_and_another_library_signs_it_alike(self) -> None:
        fields = read_flat_xml(downloadbill(date(2026, 11, 21), a_merchant(), nonce="n"))

        assert fields.pop("sign") == signature(fields)
        assert fields == {
            "appid": "wxd930ea5d5a258f4f",
            "mch_id": "10000100",
            "bill_date": "20261121",
            "bill_type": "ALL",
            "tar_type": "GZIP",
            "nonce_str": "n",
            "sign_type": "HMAC-SHA256",
        }


class TestKnownBill:
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_is_read_plain_and_gzipped(self, pack: Callable[[bytes], bytes]) -> None:
        payment, refund = read_bill(pack(BILL)).rows

        assert payment.traded_at_ms == BEIJING_MS
        assert payment.transaction_id == refund.transaction_id == "4200000215202611210261405420"
        assert payment.out_trade_no == refund.out_trade_no == OUT_TRADE_NO
        assert (payment.trade_state, payment.amount, payment.settled) == ("SUCCESS", 1000, 990)
        assert (payment.refund_id, payment.out_refund_no, payment.refund_amount) == ("", "", 0)
        assert (refund.trade_state, refund.refund_amount, refund.refund_settled) == ("REFUND", 1000, 990)
        assert refund.refund_id == "50000408942018111907145868882"
        assert (refund.out_refund_no, refund.refund_status) == ("RF20261121000000001", "SUCCESS")
        assert refund.amount == 0
        assert payment.goods == refund.goods == "帮我付,测试订单"

    def test_is_read_without_its_byte_order_mark_and_with_bare_line_feeds(self) -> None:
        assert read_bill(BILL.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")) == read_bill(BILL)

    def test_is_read_without_its_last_line_end(self) -> None:
        assert read_bill(BILL.rstrip()) == read_bill(BILL)


class TestLayout:
    def test_is_found_by_name_whatever_the_order_and_whatever_is_new(self) -> None:
        assert read_bill(on_the_wire([PAID], columns=("新列", *reversed(COLUMNS)))) == read_bill(on_the_wire([PAID]))

    def test_of_old_tells_what_was_settled_and_not_what_was_asked_for(self) -> None:
        bill = read_bill(on_the_wire([PAID, REFUNDED], columns=OLD_COLUMNS))

        assert [(row.settled, row.amount) for row in bill.rows] == [(990, None), (0, None)]
        assert [(row.refund_settled, row.refund_amount) for row in bill.rows] == [(0, None), (990, None)]

    @pytest.mark.parametrize("name", ["交易时间", "商户订单号", "微信订单号", "应结订单金额", "退款金额", "商品名称"])
    def test_without_a_column_we_need_is_refused(self, name: str) -> None:
        columns = tuple(column for column in COLUMNS if column != name)

        assert why_malformed(on_the_wire([PAID], columns=columns)) == f"no column {name}"

    def test_with_a_column_twice_is_refused(self) -> None:
        assert why_malformed(on_the_wire([PAID], columns=(*COLUMNS, "订单金额"))) == "a column twice"


class TestSummary:
    @pytest.mark.parametrize("count", ["2", "2.0", "2.00"])
    def test_counts_with_or_without_a_point(self, count: str) -> None:
        assert len(read_bill(a_bill(总交易单数=count)).rows) == 2

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("总交易单数", "3.0"),
            ("总交易单数", "2.5"),
            ("应结订单总金额", "9.91"),
            ("退款总金额", "9.89"),
            ("充值券退款总金额", "0.01"),
            ("订单总金额", "0.00"),
            ("申请退款总金额", "100.00"),
        ],
    )
    def test_that_disagrees_with_the_rows_is_refused(self, name: str, value: str) -> None:
        assert read_bill(a_bill())
        assert why_malformed(a_bill(**{name: value})).startswith("the ")

    def test_of_fees_is_left_alone(self) -> None:
        assert read_bill(a_bill(手续费总金额="-0.12345"))

    def test_is_needed(self) -> None:
        lines = BILL.split(b"\r\n")

        assert why_malformed(b"\r\n".join(lines[:3])) == "no summary"


@pytest.mark.parametrize("amount", ["10", "10.0", "10.00", "10.00000"])
def test_yuan_become_whole_fen(amount: str) -> None:
    assert read_bill(on_the_wire([{**PAID, "订单金额": amount}])).rows[0].amount == 1000


@pytest.mark.parametrize(
    "amount", ["", "-1.00", "+1.00", "1e3", "1,000.00", "1.", ".5", " 1.00", "１.00", "NaN", "9" * 13]
)
def test_an_amount_that_is_none_is_refused(amount: str) -> None:
    body = on_the_wire([{**PAID, "订单金额": amount}], sums={"订单总金额": "0.00"})

    assert why_malformed(body) == "an amount that is none"


def test_a_part_of_a_fen_is_refused() -> None:
    assert why_malformed(on_the_wire([{**PAID, "订单金额": "0.001"}])) == "a part of a fen"


@pytest.mark.parametrize(
    "time", ["", "2026-11-31 16:24:13", "2026-11-21T16:24:13", "0000-01-01 00:00:00", "1795249453"]
)
def test_a_time_that_is_none_is_refused(time: str) -> None:
    assert why_malformed(on_the_wire([{**PAID, "交易时间": time}])) == "a time that is none"


@pytest.mark.parametrize("goods", ["a,b", "a,`b", "`", ",`,`,`", ",`0.00,`99.00", "a\u2028b", "总交易单数"])
def test_no_title_of_an_order_can_move_the_columns(goods: str) -> None:
    row = read_bill(on_the_wire([{**PAID, "商品名称": goods}])).rows[0]

    assert (row.goods, row.amount, row.settled) == (goods, 1000, 990)


@pytest.mark.parametrize("line", ["", "no backtick", "`too,`short"])
def test_a_row_of_another_shape_is_refused(line: str) -> None:
    lines = BILL.decode().split("\r\n")

    assert "a row" in why_malformed("\r\n".join([lines[0], line, *lines[1:]]).encode())


def failure(return_msg: str, return_code: str = "FAIL") -> bytes:
    return to_wire({"return_code": return_code, "return_msg": return_msg, "error_code": "20002"})


class TestNoBill:
    @pytest.mark.parametrize("return_msg", ["No Bill Exist", "NO Bill Exist"])
    def test_there_is_none(self, return_msg: str) -> None:
        with pytest.raises(NoBill):
            read_bill(failure(return_msg))

    @pytest.mark.parametrize(
        "return_msg", ["SYSTEMERROR", "Bill Creating", "CompressGZip Error", "UnCompressGZip Error"]
    )
    def test_but_there_may_be_one_later(self, return_msg: str) -> None:
        with pytest.raises(WeChatUnavailable) as caught:
            read_bill(failure(return_msg))
        assert (caught.value.call, caught.value.reason) == ("downloadbill", return_msg)

    @pytest.mark.parametrize(
        "return_msg", ["invalid bill_type", "data format error", "missing parameter", "SIGN ERROR", "new words"]
    )
    def test_because_wechat_refuses_the_call(self, return_msg: str) -> None:
        with pytest.raises(WeChatRefused) as caught:
            read_bill(failure(return_msg))
        assert caught.value.message == return_msg

    def test_inside_gzip_is_understood_too(self) -> None:
        with pytest.raises(NoBill):
            read_bill(gzip.compress(failure("No Bill Exist")))

    @pytest.mark.parametrize("body", [failure("", "SUCCESS"), b"<html>", b"<xml>", b"<!DOCTYPE xml>" + failure("")])
    def test_in_an_answer_that_is_none(self, body: bytes) -> None:
        assert why_malformed(body) == "neither bill nor answer"


class TestGzip:
    def test_bomb_is_not_unpacked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bills, "MAX_BILL_BYTES", 1000)

        assert why_malformed(gzip.compress(b" " * 1001)) == "too large"
        assert why_malformed(b" " * 1001) == "too large"

    @pytest.mark.parametrize("cut", [2, 9, 30, -1, -8])
    def test_cut_short_is_refused(self, cut: int) -> None:
        assert why_malformed(gzip.compress(BILL)[:cut]) == "gzip"

    def test_with_something_behind_it_is_refused(self) -> None:
        assert why_malformed(gzip.compress(BILL) + b"x") == "gzip"

    def test_with_a_wrong_checksum_is_refused(self) -> None:
        packed = bytearray(gzip.compress(BILL))
        packed[-8] ^= 1

        assert why_malformed(bytes(packed)) == "gzip"


amounts = st.integers(min_value=0, max_value=10**9).map(lambda fen: f"{fen // 100}.{fen % 100:02d}")
# In a bill "0" says that there is none.
goods_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=30).filter(
    lambda name: name != "0"
)
rows = st.builds(
    lambda base, amount, settled, asked, back, goods: {
        **base,
        "订单金额": amount,
        "应结订单金额": settled,
        "申请退款金额": asked,
        "退款金额": back,
        "商品名称": goods,
    },
    st.sampled_from([PAID, REFUNDED]),
    amounts,
    amounts,
    amounts,
    amounts,
    goods_names,
)


def as_yuan(fen: int | None) -> str:
    return "" if fen is None else f"{fen // 100}.{fen % 100:02d}"


def read_back(bill: Bill) -> Sequence[tuple[str, ...]]:
    return [
        (as_yuan(r.amount), as_yuan(r.settled), as_yuan(r.refund_amount), as_yuan(r.refund_settled), r.goods)
        for r in bill.rows
    ]


@given(st.lists(rows, max_size=5), st.sampled_from([bytes, gzip.compress]))
def test_what_a_writer_writes_is_read_back(written: list[dict[str, str]], pack: Callable[[bytes], bytes]) -> None:
    bill = read_bill(pack(on_the_wire(written)))

    assert read_back(bill) == [
        (
            r["订单金额"],
            r["应结订单金额"],
            r["申请退款金额"],
            r["退款金额"],
            r["商品名称"],
        )
        for r in written
    ]


def assert_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(WeChatError):
        assert isinstance(read_bill(body), Bill)


@given(st.one_of(st.binary(), st.text(alphabet="`,<>\r\n0.总交易单数\ufeff").map(str.encode)))
@example(b"\x1f\x8b")
@example(b"\xef\xbb\xbf")
@example(b"\n\n\n")
@example(b"\xff")
def test_no_bytes_crash_the_reader(body: bytes) -> None:
    assert_read_or_refused(body)
    assert_read_or_refused(gzip.compress(body))


@given(st.integers(0, len(BILL) - 1), st.sampled_from([b"", b"`", b",", b"\n", b"\xff", b"9", b"-", b"<"]))
def test_no_damage_to_a_bill_crashes_the_reader(at: int, instead: bytes) -> None:
    assert_read_or_refused(BILL[:at] + instead + BILL[at + 1 :])
