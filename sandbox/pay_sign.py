"""Whether a page or an app may open the pay sheet: the merchant's signature over what it hands to WeChat. Pure."""

from collections.abc import Mapping
from typing import Final

from sandbox import signing, v3_signing
from sandbox.keys import Keys
from sandbox.order import Order

APP_PARAMS: Final = ("appid", "partnerid", "prepayid", "package", "noncestr", "timestamp", "sign")
APP_PACKAGE: Final = "Sign=WXPay"


def is_jsapi_signed(order: Order, params: Mapping[str, str], keys: Keys) -> bool:
    """
    Tell whether paySign fits, by the API the order was placed with.

    Args:
        params: appId, timeStamp, nonceStr, package, signType, paySign.
    """
    if order.api == "v2":
        fits = params["paySign"] == signing.pay_sign(params, keys.merchant.api_key)
        return fits and params["signType"] == order.sign_type
    lines = (params[name] for name in ("appId", "timeStamp", "nonceStr", "package"))
    return params["signType"] == "RSA" and _is_merchants(keys, params["paySign"], *lines)


def is_app_signed(order: Order, params: Mapping[str, str], keys: Keys) -> bool:
    """
    Tell whether an app's sign fits, by the API the order was placed with.

    Args:
        params: As APP_PARAMS names them.
    """
    if order.api == "v2":
        signed = {name: params[name] for name in APP_PARAMS}
        return signing.is_signed(signed, keys.merchant.api_key, order.sign_type)
    lines = (params[name] for name in ("appid", "timestamp", "noncestr", "prepayid"))
    return _is_merchants(keys, params["sign"], *lines)


def _is_merchants(keys: Keys, signature: str, *lines: str) -> bool:
    return v3_signing.is_signed(keys.merchant_pair.public_key(), v3_signing.signing_text(*lines), signature)
