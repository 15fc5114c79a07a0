"""
Who we are to API v3, and how we prove it: RSA over lines of text that each end in a line feed.

Source: WeChat Pay API v3, "build a request signature", "payment parameters of the client".
"""

import base64
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from server.errors import ConfigError
from server.wechat.account import Account

SIGNATURE_TYPE: Final = "WECHATPAY2-SHA256-RSA2048"
API_V3_KEY_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class V3Merchant(Account):
    """
    One merchant at API v3.

    `serial_no` is the serial number of our own API certificate, whose `private_key` signs. All of `api_v3_keys` open
    what WeChat encrypts, so that a key can be changed.

    Raises:
        ConfigError: A key has not 32 bytes, or there is none.
    """

    serial_no: str
    private_key: RSAPrivateKey = field(repr=False)
    api_v3_keys: tuple[str, ...] = field(repr=False)
    notify_url: str

    def __post_init__(self) -> None:
        if not self.api_v3_keys:
            raise ConfigError("WeChat Pay API v3 needs at least one API v3 key")
        if any(len(key.encode()) != API_V3_KEY_BYTES for key in self.api_v3_keys):
            raise ConfigError("a WeChat Pay API v3 key must have exactly 32 bytes")


def signed_lines(*lines: str | bytes) -> bytes:
    """Return the message that is signed: each line, the last one too, ended by a line feed."""
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)


def sign(message: bytes, private_key: RSAPrivateKey) -> str:
    """Return the signature of `message` in base64."""
    return base64.b64encode(private_key.sign(message, PKCS1v15(), SHA256())).decode()


def authorization(method: str, path: str, body: bytes, merchant: V3Merchant, *, now_s: int, nonce: str) -> str:
    """
    Return the `Authorization` header of a call.

    Args:
        path: Path and query exactly as they are sent, without the host.
        body: The bytes that are sent; whoever writes them anew breaks the signature.
    """
    signature = sign(signed_lines(method, path, str(now_s), nonce, body), merchant.private_key)
    return (
        f'{SIGNATURE_TYPE} mchid="{merchant.mch_id}",nonce_str="{nonce}",timestamp="{now_s}",'
        f'serial_no="{merchant.serial_no}",signature="{signature}"'
    )


def jsapi_params(appid: str, prepay_id: str, merchant: V3Merchant, *, now_s: int, nonce: str) -> dict[str, str]:
    """
    Return what a page hands to `WeixinJSBridge`, or a mini-program to `wx.requestPayment`.

    `signType` is passed and not signed; every value is text.
    """
    package = f"prepay_id={prepay_id}"
    return {
        "appId": appid,
        "timeStamp": str(now_s),
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": sign(signed_lines(appid, str(now_s), nonce, package), merchant.private_key),
    }


def app_params(appid: str, prepay_id: str, merchant: V3Merchant, *, now_s: int, nonce: str) -> dict[str, str]:
    """Return what an app hands to WeChat's SDK. The bare `prepay_id` is signed, `package` is not."""
    return {
        "appid": appid,
        "partnerid": merchant.mch_id,
        "prepayid": prepay_id,
        "package": "Sign=WXPay",
        "noncestr": nonce,
        "timestamp": str(now_s),
        "sign": sign(signed_lines(appid, str(now_s), nonce, prepay_id), merchant.private_key),
    }
