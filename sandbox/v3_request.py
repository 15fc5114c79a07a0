"""Whether a request of API v3 comes from the merchant: headers, time and signature over its exact bytes. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from sandbox import v3_signing
from sandbox.keys import Keys
from sandbox.v3_errors import V3Refused

MAX_AGE_S: Final = 300

_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_NAMES: Final = frozenset({"mchid", "nonce_str", "timestamp", "serial_no", "signature"})


def check_request(headers: Mapping[str, str], *, method: str, uri: str, body: bytes, keys: Keys, now_s: float) -> None:
    """
    Return when the merchant has signed this very request within the last five minutes.

    Args:
        uri: Path and query exactly as sent.
        now_s: Unix time in seconds by the real clock.

    Raises:
        V3Refused: PARAM_ERROR for a header, SIGN_ERROR for the rest.
    """
    _check_headers(headers, body)
    given = _read_authorization(headers.get("Authorization", ""))
    if given["mchid"] != keys.merchant.mch_id:
        raise _sign_error("商户号不存在")
    if given["serial_no"].upper() != keys.merchant_pair.serial:
        raise _sign_error("商户证书序列号有误")
    if not given["timestamp"].isdecimal() or abs(now_s - int(given["timestamp"])) > MAX_AGE_S:
        raise _sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟")
    text = v3_signing.signing_text(method, uri, given["timestamp"], given["nonce_str"]) + body + b"\n"
    if not v3_signing.is_signed(keys.merchant_pair.public_key(), text, given["signature"]):
        raise _sign_error("签名错误，请检查后再试")


def _check_headers(headers: Mapping[str, str], body: bytes) -> None:
    accept = headers.get("Accept", "")
    if "application/json" not in accept and "*/*" not in accept:
        raise V3Refused("PARAM_ERROR", "Http头Accept有误：须为application/json")
    if body and not headers.get("Content-Type", "").startswith("application/json"):
        raise V3Refused("PARAM_ERROR", "Http头Content-Type有误：须为application/json")
    if not headers.get("User-Agent"):
        raise V3Refused("PARAM_ERROR", "Http头缺少User-Agent")


def _read_authorization(text: str) -> dict[str, str]:
    scheme, _, rest = text.partition(" ")
    given = dict(_PARAMETER.findall(rest))
    if scheme != v3_signing.SCHEME or not given.keys() >= _NAMES:
        raise _sign_error("Http头Authorization值格式错误")
    return given


def _sign_error(message: str) -> V3Refused:
    return V3Refused("SIGN_ERROR", message, number="268443699")
