"""
What we say to API v2: the bodies of our calls, and the parameters the payer's client hands to WeChat.

A repeated call must carry the parameters of the first one, or WeChat refuses it (`201 商户订单号重复`). So everything
in an order call except `nonce_str` and `sign` comes from the stored order and attempt, and nothing from the moment.

Source: WeChat Pay API v2, "unified order", "query order", "close order", "JSAPI payment", "APP payment".
"""

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

import xmltodict

from server.domain.document import Order, Payment
from server.domain.events import TradeType
from server.wechat.account import wire_trade_type
from server.wechat.beijing import to_beijing
from server.wechat.v2_sign import Merchant, sign
from server.wechat.wording import goods_text


def unifiedorder(order: Order, payment: Payment, merchant: Merchant, *, nonce: str) -> bytes:
    """
    Return the call that orders this attempt at WeChat.

    Raises:
        WeChatRefused: We have no appid for its trade type.
    """
    params = {
        "appid": merchant.appid_of(payment.trade_type),
        "mch_id": merchant.mch_id,
        "body": goods_text(order.title),
        "out_trade_no": payment.out_trade_no,
        "fee_type": "CNY",
        "total_fee": str(payment.amount),
        "spbill_create_ip": payment.client_ip,
        "time_start": to_beijing(payment.created_at_ms),
        "time_expire": to_beijing(payment.expires_at_ms),
        "notify_url": merchant.notify_url,
        "trade_type": wire_trade_type(payment.trade_type),
        **_of_the_scene(order, payment, merchant),
    }
    return signed_request(params, merchant, nonce)


def orderquery(payment: Payment, merchant: Merchant, *, nonce: str) -> bytes:
    """Return the call that asks how this attempt stands."""
    return signed_request(_about(payment, merchant), merchant, nonce)


def closeorder(payment: Payment, merchant: Merchant, *, nonce: str) -> bytes:
    """Return the call that closes this attempt."""
    return signed_request(_about(payment, merchant), merchant, nonce)


def jsapi_params(appid: str, prepay_id: str, merchant: Merchant, *, now_s: int, nonce: str) -> dict[str, str]:
    """
    Return what a page hands to `WeixinJSBridge`, or a mini-program to `wx.requestPayment`, signed.

    Every value is text: iOS refuses a number.
    """
    params = {
        "appId": appid,
        "timeStamp": str(now_s),
        "nonceStr": nonce,
        "package": f"prepay_id={prepay_id}",
        "signType": str(merchant.sign_type),
    }
    return params | {"paySign": sign(params, merchant.api_keys[0], merchant.sign_type)}


def app_params(appid: str, prepay_id: str, merchant: Merchant, *, now_s: int, nonce: str) -> dict[str, str]:
    """Return what an app hands to WeChat's SDK; exactly these are signed, and no `signType` is among them."""
    params = {
        "appid": appid,
        "partnerid": merchant.mch_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(now_s),
    }
    return params | {"sign": sign(params, merchant.api_keys[0], merchant.sign_type)}


def to_xml(params: Mapping[str, str]) -> bytes:
    """Write `params` as `<xml>`, escaped, with nothing before, between or after; the names are ours and trusted."""
    text: str = xmltodict.unparse({"xml": dict(params)}, full_document=False)
    return text.encode()


def signed_request(params: Mapping[str, str], merchant: Merchant, nonce: str) -> bytes:
    """Return the body of a call with these parameters, signed with the first key."""
    complete = {**params, "nonce_str": nonce, "sign_type": str(merchant.sign_type)}
    return to_xml({**complete, "sign": sign(complete, merchant.api_keys[0], merchant.sign_type)})


def _of_the_scene(order: Order, payment: Payment, merchant: Merchant) -> dict[str, str]:
    """What only some trade types have to tell."""
    if payment.trade_type is TradeType.NATIVE:
        return {"product_id": order.order_id}
    if payment.trade_type is TradeType.MWEB:
        site = urlsplit(merchant.notify_url)
        wap = {"type": "Wap", "wap_url": f"{site.scheme}://{site.netloc}", "wap_name": "代付"}
        return {"scene_info": json.dumps({"h5_info": wap}, ensure_ascii=False, separators=(",", ":"))}
    return {"openid": payment.payer.openid} if payment.trade_type.binds_payer else {}


def _about(payment: Payment, merchant: Merchant) -> dict[str, str]:
    return {
        "appid": merchant.appid_of(payment.trade_type),
        "mch_id": merchant.mch_id,
        "out_trade_no": payment.out_trade_no,
    }
