"""
What WeChat would put on the wire, made without any code of ours: its fields, a writer, and another library's signer.

`KEY` and the notify are WeChat's published example; `BEIJING_MS` is what its `time_end` means.
"""

from collections.abc import Mapping
from typing import Final

from wechatpy.pay.utils import calculate_signature, calculate_signature_hmac

from server.wechat.v2_sign import Merchant, SignType

KEY: Final = "192006250b4c09247ec02edce69f6a2d"
OTHER_KEY: Final = "qazwsxedcrfvtgbyhnujmikolp111111"
OUT_TRADE_NO: Final = "PAY20261121000000001"
BEIJING_MS: Final = 1_795_249_453_000  # 2026-11-21 16:24:13 in Beijing

NOTIFY: Final = {
    "appid": "wxd930ea5d5a258f4f",
    "attach": "帮我付&订单=1",
    "bank_type": "OTHERS",
    "cash_fee": "980",
    "cash_fee_type": "CNY",
    "coupon_count": "2",
    "coupon_fee": "20",
    "coupon_fee_0": "10",
    "coupon_fee_1": "10",
    "coupon_id_0": "10000",
    "coupon_id_1": "10001",
    "coupon_type_0": "CASH",
    "coupon_type_1": "NO_CASH",
    "device_info": "",
    "fee_type": "CNY",
    "future_field_x": "new",
    "is_subscribe": "N",
    "mch_id": "10000100",
    "nonce_str": "5d2b6c2a8db53831f7eda20af46e531c",
    "openid": "oUpF8uMEb4qRXf22hE3X68TekukE",
    "out_trade_no": OUT_TRADE_NO,
    "result_code": "SUCCESS",
    "return_code": "SUCCESS",
    "settlement_total_fee": "990",
    "time_end": "20261121162413",
    "total_fee": "1000",
    "trade_type": "JSAPI",
    "transaction_id": "4200000215202611210261405420",
}

ANSWER: Final = {
    "return_code": "SUCCESS",
    "return_msg": "OK",
    "appid": "wxd930ea5d5a258f4f",
    "mch_id": "10000100",
    "nonce_str": "IITRi8Iabbblz1Jc",
    "result_code": "SUCCESS",
}


def a_merchant(*keys: str, sign_type: SignType = SignType.HMAC_SHA256) -> Merchant:
    return Merchant(
        appid="wxd930ea5d5a258f4f",
        mch_id="10000100",
        api_keys=keys or (KEY,),
        notify_url="https://pay.example.com/wechat/notify/pay",
        refund_notify_url="https://pay.example.com/wechat/notify/refund",
        sign_type=sign_type,
    )


def signature(fields: Mapping[str, str], *, key: str = KEY, sign_type: str = "HMAC-SHA256") -> str:
    """Return what wechatpy signs these fields with."""
    calculate = calculate_signature_hmac if sign_type == "HMAC-SHA256" else calculate_signature
    return str(calculate({name: value for name, value in fields.items() if name != "sign"}, key))


def signed(fields: Mapping[str, str], *, key: str = KEY, sign_type: str = "HMAC-SHA256") -> dict[str, str]:
    return {**fields, "sign": signature(fields, key=key, sign_type=sign_type)}


def to_wire(fields: Mapping[str, str]) -> bytes:
    """Write each value in CDATA, a line a field, as WeChat does."""
    lines = [
        f"<{name}><![CDATA[{value.replace(']]>', ']]]]><![CDATA[>')}]]></{name}>" for name, value in fields.items()
    ]
    return "\n".join(["<xml>", *lines, "</xml>"]).encode()


def a_notify(**changes: str) -> bytes:
    """Return a rightly signed notify with some fields changed."""
    return to_wire(signed({**NOTIFY, **changes}))


def an_answer(**changes: str) -> bytes:
    """Return a rightly signed answer to a call of ours, with some fields changed or added."""
    return to_wire(signed({**ANSWER, **changes}))


def a_query_answer(**changes: str) -> bytes:
    paid = {name: NOTIFY[name] for name in ("openid", "total_fee", "fee_type", "transaction_id", "time_end")}
    return an_answer(**{**paid, "out_trade_no": OUT_TRADE_NO, "trade_state": "SUCCESS", **changes})
