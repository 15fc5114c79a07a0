"""What API v3 demands of an order's and a refund's fields, and their names in API v2, which the ledger keeps. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from sandbox.clock import beijing_time
from sandbox.order_rules import is_ip, is_notify_url
from sandbox.v3_errors import V3Refused, bad_field

# The last part of the path -> trade_type.
TRADE_TYPES: Final[Mapping[str, str]] = {"jsapi": "JSAPI", "native": "NATIVE", "h5": "MWEB", "app": "APP"}

_MIN_LEAD_MS: Final = 60 * 1000
_MAX_LEAD_MS: Final = 90 * 24 * 3600 * 1000
_FUNDS_ACCOUNTS: Final = {"AVAILABLE": "REFUND_SOURCE_RECHARGE_FUNDS", "UNSETTLED": ""}

S16 = Annotated[str, Meta(max_length=16)]
S32 = Annotated[str, Meta(max_length=32)]
S128 = Annotated[str, Meta(max_length=128)]
Given32 = Annotated[str, Meta(min_length=1, max_length=32)]
Url = Annotated[str, Meta(max_length=255)]
Fen = Annotated[int, Meta(ge=1, le=9_999_999_999)]
Number = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*]{6,32}$")]
RefundNumber = Annotated[str, Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]


class Amount(msgspec.Struct, frozen=True):
    total: Fen
    currency: S16 = "CNY"


class Payer(msgspec.Struct, frozen=True):
    openid: Annotated[str, Meta(min_length=1, max_length=128)]


class SceneInfo(msgspec.Struct, frozen=True):
    payer_client_ip: Annotated[str, Meta(max_length=45)]
    device_id: S32 = ""
    store_info: dict[str, Any] | None = None
    h5_info: dict[str, Any] | None = None


class V3Order(msgspec.Struct, frozen=True):
    appid: Given32
    mchid: Given32
    description: Annotated[str, Meta(min_length=1, max_length=127)]
    out_trade_no: Number
    notify_url: Url
    amount: Amount
    payer: Payer | None = None
    time_expire: Annotated[str, Meta(max_length=64)] = ""
    attach: S128 = ""
    goods_tag: S32 = ""
    support_fapiao: bool = False
    detail: dict[str, Any] | None = None
    scene_info: SceneInfo | None = None
    settle_info: dict[str, Any] | None = None


class RefundAmount(msgspec.Struct, frozen=True):
    refund: Fen
    total: Fen
    currency: S16


class V3Refund(msgspec.Struct, frozen=True):
    out_refund_no: RefundNumber
    amount: RefundAmount
    transaction_id: S32 = ""
    out_trade_no: S32 = ""
    reason: Annotated[str, Meta(max_length=80)] = ""
    notify_url: Annotated[str, Meta(max_length=256)] = ""
    funds_account: S32 = ""


def order_parameters(order: V3Order, trade_type: str) -> dict[str, str]:
    """
    Return a good order's parameters by API v2's names; what was not given is left out.

    Raises:
        V3Refused: PARAM_ERROR, naming the field.
    """
    _check_order(order, trade_type)
    scene = order.scene_info
    parameters = {
        "appid": order.appid,
        "mch_id": order.mchid,
        "body": order.description,
        "out_trade_no": order.out_trade_no,
        "notify_url": order.notify_url,
        "total_fee": str(order.amount.total),
        "fee_type": order.amount.currency,
        "trade_type": trade_type,
        "openid": order.payer.openid if order.payer and trade_type == "JSAPI" else "",
        "time_expire": beijing_time(_read_rfc3339(order.time_expire)) if order.time_expire else "",
        "attach": order.attach,
        "goods_tag": order.goods_tag,
        "receipt": "Y" if order.support_fapiao else "",
        "detail": _text_of(order.detail),
        "spbill_create_ip": scene.payer_client_ip if scene else "",
        "device_info": scene.device_id if scene else "",
        "scene_info": _text_of(scene),
        "settle_info": _text_of(order.settle_info),
    }
    return {name: value for name, value in parameters.items() if value}


def expires_at_ms(order: V3Order, now_ms: float) -> float:
    """Return what time_expire means: a minute ahead at least, ninety days at most; 0.0 without one."""
    if not order.time_expire:
        return 0.0
    return min(max(_read_rfc3339(order.time_expire), now_ms + _MIN_LEAD_MS), now_ms + _MAX_LEAD_MS)


def refund_parameters(refund: V3Refund) -> dict[str, str]:
    """
    Return a good refund's parameters by API v2's names; what was not given is left out.

    Raises:
        V3Refused: PARAM_ERROR, naming the field.
    """
    if not refund.transaction_id and not refund.out_trade_no:
        raise bad_field("out_trade_no", "与transaction_id二选一")
    if refund.notify_url and not is_notify_url(refund.notify_url):
        raise bad_field("notify_url", "须为不带参数的绝对地址", value=refund.notify_url)
    if refund.amount.currency != "CNY":
        raise bad_field("amount.currency", "须为CNY", value=refund.amount.currency)
    if refund.funds_account and refund.funds_account not in _FUNDS_ACCOUNTS:
        raise bad_field("funds_account", "须为AVAILABLE或UNSETTLED", value=refund.funds_account)
    parameters = {
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "total_fee": str(refund.amount.total),
        "refund_fee": str(refund.amount.refund),
        "refund_account": _FUNDS_ACCOUNTS.get(refund.funds_account, ""),
        "notify_url": refund.notify_url,
    }
    return {name: value for name, value in parameters.items() if value}


def _check_order(order: V3Order, trade_type: str) -> None:
    for field, is_good, issue in _RULES:
        if not is_good(order):
            raise bad_field(field, issue)
    if trade_type == "JSAPI" and order.payer is None:
        raise V3Refused("PARAM_ERROR", "缺少参数：payer.openid", number="268501013")
    if trade_type == "MWEB" and (order.scene_info is None or not _is_h5_info(order.scene_info.h5_info)):
        raise bad_field("scene_info.h5_info.type", "H5支付必填，须为Wap、iOS或Android")


_RULES: Final[tuple[tuple[str, Callable[[V3Order], object], str], ...]] = (
    ("notify_url", lambda order: is_notify_url(order.notify_url), "须为不带参数的绝对地址"),
    ("amount.currency", lambda order: order.amount.currency == "CNY", "须为CNY"),
    (
        "scene_info.payer_client_ip",
        lambda order: order.scene_info is None or is_ip(order.scene_info.payer_client_ip),
        "须为IP地址",
    ),
)


def _is_h5_info(h5_info: dict[str, Any] | None) -> bool:
    return h5_info is not None and h5_info.get("type") in ("Wap", "iOS", "Android")


def _read_rfc3339(text: str) -> float:
    """Return the Unix milliseconds of a moment written with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_field("time_expire", "须为带时区的RFC 3339时间", value=text) from error
    if moment.tzinfo is None or "T" not in text:
        raise bad_field("time_expire", "须为带时区的RFC 3339时间", value=text)
    return moment.timestamp() * 1000


def _text_of(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode() if value is not None else ""
