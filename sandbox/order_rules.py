"""What WeChat demands of each field of a unified order, and how long any call's fields may be. Pure."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

from sandbox.clock import read_beijing_time

MAX_LENGTHS: Final[Mapping[str, int]] = {
    "appid": 32,
    "mch_id": 32,
    "device_info": 32,
    "nonce_str": 32,
    "sign": 64,
    "sign_type": 32,
    "body": 127,
    "detail": 6144,
    "attach": 127,
    "out_trade_no": 32,
    "fee_type": 16,
    "total_fee": 10,
    "spbill_create_ip": 64,
    "time_start": 14,
    "time_expire": 14,
    "goods_tag": 32,
    "notify_url": 256,
    "trade_type": 16,
    "product_id": 32,
    "limit_pay": 32,
    "openid": 128,
    "receipt": 8,
    "profit_sharing": 16,
    "scene_info": 256,
    "transaction_id": 32,
    "out_refund_no": 64,
    "refund_id": 32,
    "refund_fee": 10,
    "refund_fee_type": 8,
    "refund_desc": 80,
    "refund_account": 30,
}
REQUIRED: Final = ("body", "out_trade_no", "total_fee", "spbill_create_ip", "notify_url", "trade_type")
TIME_EXPIRE_LEAD_MS: Final = 60 * 1000
TRADE_TYPES: Final = frozenset({"JSAPI", "NATIVE", "APP", "MWEB"})
# What a trade_type needs beside REQUIRED.
_REQUIRED_FOR: Final[Mapping[str, str]] = {"JSAPI": "openid", "NATIVE": "product_id", "MWEB": "scene_info"}

_OUT_TRADE_NO: Final = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
_TOTAL_FEE: Final = re.compile(r"[1-9][0-9]{0,9}")


class BadParameter(ValueError):
    """The text is WeChat's return_msg."""


def require(fields: Mapping[str, str], *names: str) -> None:
    """
    Return when every named field is there and no known field is too long.

    Raises:
        BadParameter: Naming the field.
    """
    for name in names:
        if not fields.get(name):
            raise BadParameter(f"缺少参数{name}")
    for name, limit in MAX_LENGTHS.items():
        if len(fields.get(name, "")) > limit:
            raise BadParameter(f"{name}参数长度有误")


def check_order(fields: Mapping[str, str]) -> None:
    """
    Return when every field has the form WeChat demands; who the payer is and what time it is are not asked here.

    Raises:
        BadParameter: Naming the field.
    """
    require(fields, *REQUIRED)
    for name, is_good in _FORMS.items():
        if fields.get(name) and not is_good(fields[name]):
            raise BadParameter(f"invalid {name}")
    if fields["trade_type"] in _REQUIRED_FOR:
        require(fields, _REQUIRED_FOR[fields["trade_type"]])


def check_time_expire(fields: Mapping[str, str], *, now_ms: float) -> None:
    """
    Return when time_expire, if there, lies more than a minute ahead and after time_start.

    Raises:
        BadParameter: It does not.
    """
    time_expire, time_start = fields.get("time_expire"), fields.get("time_start")
    if not time_expire:
        return
    if read_beijing_time(time_expire) <= now_ms + TIME_EXPIRE_LEAD_MS:
        raise BadParameter("time_expire时间过短，刷卡至少1分钟，其他5分钟")
    if time_start and time_expire <= time_start:
        raise BadParameter("invalid time_expire")


def is_ip(text: str) -> bool:
    """Tell whether this is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_beijing_time(text: str) -> bool:
    try:
        read_beijing_time(text)
    except ValueError:
        return False
    return True


def is_notify_url(text: str) -> bool:
    """Absolute, no query, no fragment, no login; http and a port are for loopback alone."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        return False
    if not url.hostname or "@" in url.netloc or "?" in text or "#" in text or not text.isascii() or " " in text:
        return False
    if is_loopback(url.hostname):
        return url.scheme in ("http", "https")
    return url.scheme == "https" and port is None


def is_loopback(host: str) -> bool:
    """Tell whether a host name or an address means this machine."""
    return host == "localhost" or (is_ip(host) and ipaddress.ip_address(host).is_loopback)


_FORMS: Final[Mapping[str, Callable[[str], object]]] = {
    "out_trade_no": _OUT_TRADE_NO.fullmatch,
    "total_fee": _TOTAL_FEE.fullmatch,
    "spbill_create_ip": is_ip,
    "time_start": _is_beijing_time,
    "time_expire": _is_beijing_time,
    "notify_url": is_notify_url,
    "fee_type": "CNY".__eq__,
    "trade_type": TRADE_TYPES.__contains__,
    "limit_pay": "no_credit".__eq__,
    "receipt": "Y".__eq__,
    "profit_sharing": frozenset({"Y", "N"}).__contains__,
}
