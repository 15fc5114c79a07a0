"""Every fault there is: by target and kind, which parameters it must and may have. Pure data."""

from collections.abc import Mapping
from typing import Final

NOTIFY_TARGET: Final = "notify"
REFUND_NOTIFY_TARGET: Final = "refund_notify"
OAUTH_TARGET: Final = "oauth"
OFFICIAL_TARGETS: Final = ("stable_token", "getticket", "message", "code2session")
REFUND_TARGET: Final = "refund"
BILL_TARGET: Final = "downloadbill"

Parameters = Mapping[str, tuple[type, ...]]
# kind -> (required parameters, optional parameters)
Kinds = Mapping[str, tuple[Parameters, Parameters]]

_NUMBER: Final = (int, float)
_WORDS: Final = (str,)
_WORDS_OR_FEN: Final = (str, int)

_SENDING_KINDS: Final[Kinds] = {
    "drop": ({}, {}),
    "delay": ({"delay_s": _NUMBER}, {}),
    "duplicate": ({"n": (int,)}, {}),
    "reorder": ({}, {}),
    "forge": ({}, {}),
    "probe": ({}, {}),
    "serial": ({}, {}),
    "stale": ({}, {}),
    "unsigned": ({}, {}),
    "reserialised": ({}, {}),
    "bad_cipher": ({}, {}),
    "appid": ({}, {"appid": _WORDS}),
    "mch_id": ({}, {"mch_id": _WORDS}),
    "out_trade_no": ({}, {"out_trade_no": _WORDS}),
    "unknown_fields": ({}, {}),
}
_NOTIFY_KINDS: Final[Kinds] = {
    **_SENDING_KINDS,
    "amount": ({}, {"total_fee": _WORDS_OR_FEN}),
    "openid": ({}, {"openid": _WORDS}),
    "coupon": ({}, {"coupon_fee": (int,)}),
    "sign_type": ({}, {"sign_type": _WORDS}),
}
_REFUND_NOTIFY_KINDS: Final[Kinds] = {
    **_SENDING_KINDS,
    "bad_padding": ({}, {}),
    "amount": ({}, {"refund_fee": _WORDS_OR_FEN}),
    "out_refund_no": ({}, {"out_refund_no": _WORDS}),
    "transaction_id": ({}, {"transaction_id": _WORDS}),
    "refund_status": ({}, {"refund_status": _WORDS}),
}
# Any fault may have them: how many calls it hits (0: all, until it is deleted), and how many of a hundred.
COMMON: Final[Parameters] = {"times": (int,), "percent": _NUMBER}
_API_KINDS: Final[Kinds] = {
    "fail_before": ({}, {}),
    "fail_after": ({}, {}),
    "status": ({"status": (int,)}, {}),
    "garbage": ({}, {}),
    "oversize": ({}, {}),
    "slow": ({"delay_s": _NUMBER}, {}),
    "error": ({"code": _WORDS}, {"message": _WORDS}),
}
_OAUTH_KINDS: Final[Kinds] = {
    **_API_KINDS,
    "error": ({"code": (int,)}, {"message": _WORDS}),  # an errcode is a number
}
_SIGNED_API_KINDS: Final[Kinds] = {
    **_API_KINDS,
    "error_after": ({"code": _WORDS}, {"message": _WORDS}),
    **dict.fromkeys(("bad_sign", "unsigned", "probe", "serial", "stale"), ({}, {})),
}
BILL_KINDS: Final[Kinds] = {
    "missing": ({}, {"out_trade_no": _WORDS}),
    "extra": ({}, {"out_trade_no": _WORDS, "total_fee": (int,)}),
    "amount": ({}, {"out_trade_no": _WORDS, "total_fee": (int,)}),
    "openid": ({}, {"out_trade_no": _WORDS, "openid": _WORDS}),
    "transaction_id": ({}, {"out_trade_no": _WORDS, "transaction_id": _WORDS}),
    "revoked": ({}, {"out_trade_no": _WORDS}),
    "duplicate": ({}, {"out_trade_no": _WORDS}),
    "refund_missing": ({}, {"out_refund_no": _WORDS}),
    "refund_extra": ({}, {"out_refund_no": _WORDS, "out_trade_no": _WORDS, "refund_fee": (int,)}),
    "refund_amount": ({}, {"out_refund_no": _WORDS, "refund_fee": (int,)}),
    "refund_status": ({}, {"out_refund_no": _WORDS, "refund_status": _WORDS}),
    "refund_duplicate": ({}, {"out_refund_no": _WORDS}),
}
PLAIN: Final = "plain"  # a bill that comes as it is although gzip was asked
KINDS: Final[Mapping[str, Kinds]] = {
    NOTIFY_TARGET: _NOTIFY_KINDS,
    REFUND_NOTIFY_TARGET: _REFUND_NOTIFY_KINDS,
    OAUTH_TARGET: _OAUTH_KINDS,
    **dict.fromkeys(OFFICIAL_TARGETS, _OAUTH_KINDS),
    **dict.fromkeys(("unifiedorder", "orderquery", "closeorder", "refundquery", "certificates"), _SIGNED_API_KINDS),
    REFUND_TARGET: {**_SIGNED_API_KINDS, "outcome": ({"state": _WORDS}, {})},
    BILL_TARGET: {
        **_SIGNED_API_KINDS,
        **BILL_KINDS,
        PLAIN: ({}, {}),
    },  # API v2 does not sign it, API v3 signs where to fetch it
    "billdownload": _API_KINDS,
}
LIMITS: Final[Mapping[str, tuple[float, float]]] = {
    "times": (0, 1_000_000),
    "delay_s": (0, 7 * 24 * 3600),
    "n": (2, 1000),
    "percent": (0, 100),
    "status": (200, 599),
    "coupon_fee": (0, 10**9),
}
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {"state": ("SUCCESS", "CHANGE", "REFUNDCLOSE")}
