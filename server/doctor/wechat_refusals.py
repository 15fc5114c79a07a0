"""What WeChat's refusals say about the settings. Pure."""

from collections.abc import Mapping
from typing import Final

from server.doctor.finding import Finding, by_hand, wrong
from server.errors import WeChatError, WeChatRefused, WeChatUnavailable

# WeChat's code -> ours, where it names the setting that is wrong.
_PAY: Final[Mapping[str, str]] = {
    "APPID_MCHID_NOT_MATCH": "appid_not_bound",
    "APPID_NOT_EXIST": "appid_unknown",
    "MCHID_NOT_EXIST": "mchid_unknown",
    "NOAUTH": "permission_missing",
}
# Source: WeChat Official Accounts, "global return codes".
_OFFICIAL: Final[Mapping[str, str]] = {
    "40001": "app_secret_wrong",
    "40013": "appid_unknown",
    "40125": "app_secret_wrong",
    "40164": "address_not_listed",
    "40243": "app_secret_frozen",
    "40036": "template_unknown",
    "40037": "template_unknown",
    "47003": "template_fields_wrong",
    "48001": "permission_missing",
}


def of_payment_call(error: WeChatError, *, setting: str, signature_code: str) -> Finding:
    """
    Return what a payment API's answer says of our configuration.

    Args:
        setting: Which appid the call went under.
        signature_code: What it is called where WeChat does not take our signature.
    """
    if not isinstance(error, WeChatRefused):
        return _no_answer(error)
    # API v2 refuses a wrong signature or merchant number in an unsigned sentence. Source: WeChat Pay API v2, errors.
    if error.code == "SIGNERROR" or (error.code == "FAIL" and "签名" in error.message):
        return wrong(signature_code, says=error.message)
    if error.code == "FAIL" and ("MCHID" in error.message or "mch_id" in error.message):
        return wrong("mchid_unknown", setting=setting, says=error.message)
    return _named(_PAY, error, setting)


def of_official_call(error: WeChatError, *, setting: str) -> Finding:
    """Return what an official account's or mini-program's answer says of the settings that begin with `setting`."""
    if not isinstance(error, WeChatRefused):
        return _no_answer(error)
    if error.code in ("40003", "43004"):
        return by_hand("template_unproved")
    return _named(_OFFICIAL, error, setting)


def _named(codes: Mapping[str, str], error: WeChatRefused, setting: str) -> Finding:
    if code := codes.get(error.code):
        return wrong(code, setting=setting, says=error.message)
    return wrong("wechat_refused", call=error.call, word=error.code, says=error.message)


def _no_answer(error: WeChatError) -> Finding:
    if isinstance(error, WeChatUnavailable) and error.reason.partition(":")[0] in ("signature", "appid", "mch_id"):
        return wrong("wechat_not_believed", call=error.call, reason=error.reason)
    return wrong("wechat_silent", says=str(error))
