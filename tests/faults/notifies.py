"""WeChat's notify, to be posted when a test wants it to be."""

from collections.abc import Mapping
from typing import Any

from sandbox import flat_xml, signing


def a_notify(merchant: Mapping[str, Any], order: Mapping[str, Any]) -> bytes:
    """Return a genuine notify for this line of WeChat's ledger, made by the simulator's signer."""
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": merchant["appid"],
        "mch_id": merchant["mch_id"],
        "nonce_str": signing.nonce(),
        "openid": order["openid"],
        "is_subscribe": "N",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": str(order["total_fee"]),
        "cash_fee": str(order["total_fee"]),
        "transaction_id": order["transaction_id"],
        "out_trade_no": order["out_trade_no"],
        "time_end": order["time_end"],
    }
    return flat_xml.write({**fields, "sign": signing.sign(fields, merchant["api_key"], merchant["sign_type"])})
