"""The bill's layout, held against a real one's."""

from typing import Final

from sandbox import bill
from sandbox.clock import read_beijing_time
from sandbox.merchant import Merchant
from sandbox.order import Order, Refund

HEADER: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
PAYMENT: Final = (
    "`2026-11-21 16:24:13,`wxd930ea5d5a258f4f,`10000100,`0,`WEB,`4200000215202611210261405420,`PAY20261121000000001,"
    "`oUpF8uMEb4qRXf22hE3X68TekukE,`JSAPI,`SUCCESS,`OTHERS,`CNY,`9.90,`0.10,`0,`0,`0.00,`0.00,`,`,`帮我付,测试订单,"
    "`o=42,`0.06000,`0.60%,`10.00,`0.00,`"
)
REFUND: Final = (
    "`2026-11-21 18:00:00,`wxd930ea5d5a258f4f,`10000100,`0,`WEB,`4200000215202611210261405420,`PAY20261121000000001,"
    "`oUpF8uMEb4qRXf22hE3X68TekukE,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`50000408942018111907145868882,"
    "`RF20261121000000001,`9.90,`0.00,`ORIGINAL,`SUCCESS,`帮我付,测试订单,`o=42,`-0.06000,`0.60%,`0.00,`10.00,`"
)
SUMMARY: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额",
    "`2.0,`9.90,`9.90,`0.00,`0.00,`10.00,`10.00",
)
MERCHANT: Final = Merchant(appid="wxd930ea5d5a258f4f", app_secret="", mch_id="10000100", api_key="")
ORDER: Final = Order(
    1,
    {
        "out_trade_no": "PAY20261121000000001",
        "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
        "total_fee": "1000",
        "trade_type": "JSAPI",
        "device_info": "WEB",
        "body": "帮我付,测试订单",
        "attach": "o=42",
    },
    created_at_ms=0,
    prepay_id="",
    prepay_at_ms=0,
    transaction_id="4200000215202611210261405420",
    paid_at_ms=read_beijing_time("20261121162413"),
)
BACK: Final = Refund(
    out_refund_no="RF20261121000000001",
    refund_id="50000408942018111907145868882",
    refund_fee=1000,
    refund_account="",
    asked_at_ms=read_beijing_time("20261121180000"),
    settles_at_ms=read_beijing_time("20261121180002"),
)


def row_of(line: str) -> bill.Row:
    return dict(zip(HEADER.split(","), line.removeprefix("`").split(",`"), strict=True))


def test_a_real_bill_is_reproduced_to_the_byte() -> None:
    written = bill.write_bill("ALL", [row_of(PAYMENT), row_of(REFUND)])

    assert written == b"\xef\xbb\xbf" + "".join(f"{line}\r\n" for line in (HEADER, PAYMENT, REFUND, *SUMMARY)).encode()


def test_a_payments_row_is_the_real_one_but_for_the_coupon() -> None:
    without_coupon = {"应结订单金额": "10.00", "代金券金额": "0.00"}

    assert bill.payment_row(ORDER, MERCHANT) == {**row_of(PAYMENT), **without_coupon}


def test_a_refunds_row_is_the_real_one_but_for_the_coupon() -> None:
    row = bill.refund_row(ORDER, BACK, MERCHANT, now_ms=BACK.settles_at_ms)
    times = {name: row.pop(name) for name in ("退款申请时间", "退款成功时间")}

    assert row == {**row_of(REFUND), "退款金额": "10.00"}
    assert times == {"退款申请时间": "2026-11-21 18:00:00", "退款成功时间": "2026-11-21 18:00:02"}


def test_each_type_has_its_columns() -> None:
    names = HEADER.split(",")

    assert ",".join(bill.COLUMNS["ALL"]) == HEADER
    assert list(bill.COLUMNS["SUCCESS"]) == [*names[:14], *names[20:25], "费率备注"]
    assert list(bill.COLUMNS["REFUND"]) == [*names[:14], "退款申请时间", "退款成功时间", *names[14:]]
    assert [len(columns) for columns in bill.COLUMNS.values()] == [27, 20, 29]


def test_a_name_of_two_lines_does_not_break_the_row() -> None:
    order = Order(1, {**ORDER.asked, "body": "一\r\n二", "attach": "a\nb"}, 0, "", 0)
    row = bill.payment_row(order, MERCHANT)

    assert (row["商品名称"], row["商户数据包"]) == ("一 二", "a b")
