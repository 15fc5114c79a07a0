"""
What we say to API v3: the calls, each with its method, its path and the very bytes of its body.

A repeated order call must carry the parameters of the first one, or WeChat refuses it. So everything in it comes from
the stored order and attempt, and nothing from the moment.

Source: WeChat Pay API v3, "JSAPI / APP / H5 / Native order", "query order", "close order", "download certificates".
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from server.domain.document import Order, Payment
from server.domain.events import TradeType
from server.wechat.beijing import to_rfc3339
from server.wechat.v3_sign import V3Merchant
from server.wechat.wording import goods_text

_PATHS: Final[Mapping[TradeType, str]] = {
    TradeType.JSAPI: "jsapi",
    TradeType.MINIPROGRAM: "jsapi",
    TradeType.NATIVE: "native",
    TradeType.MWEB: "h5",
    TradeType.APP: "app",
}


class Call(NamedTuple):
    """`name` is for logs and errors; `path` holds the query as well."""

    name: str
    method: str
    path: str
    body: bytes = b""


def prepay(order: Order, payment: Payment, merchant: V3Merchant) -> Call:
    """
    Return the call that orders this attempt at WeChat.

    Raises:
        WeChatRefused: We have no appid for its trade type.
    """
    params: dict[str, Any] = {
        "appid": merchant.appid_of(payment.trade_type),
        "mchid": merchant.mch_id,
        "description": goods_text(order.title),
        "out_trade_no": payment.out_trade_no,
        "time_expire": to_rfc3339(payment.expires_at_ms),
        "notify_url": merchant.notify_url,
        "amount": {"total": payment.amount, "currency": "CNY"},
    }
    if payment.trade_type.binds_payer:
        params["payer"] = {"openid": payment.payer.openid}
    if payment.trade_type is TradeType.MWEB:
        params["scene_info"] = {"payer_client_ip": payment.client_ip, "h5_info": {"type": "Wap"}}
    return post("prepay", f"/v3/pay/transactions/{_PATHS[payment.trade_type]}", params)


def query(out_trade_no: str, merchant: V3Merchant) -> Call:
    """Return the call that asks how this attempt stands."""
    query = urlencode({"mchid": merchant.mch_id})
    return Call("query", "GET", f"{_about(out_trade_no)}?{query}")


def close(out_trade_no: str, merchant: V3Merchant) -> Call:
    """Return the call that closes this attempt; it is answered HTTP 204."""
    return post("close", f"{_about(out_trade_no)}/close", {"mchid": merchant.mch_id})


def certificates() -> Call:
    """Return the call that fetches WeChat's platform certificates."""
    return Call("certificates", "GET", "/v3/certificates")


def post(name: str, path: str, params: Mapping[str, Any]) -> Call:
    """Return a call with these parameters as JSON."""
    return Call(name, "POST", path, msgspec.json.encode(params))


def _about(out_trade_no: str) -> str:
    return f"/v3/pay/transactions/out-trade-no/{quote(out_trade_no, safe='')}"
