"""API v3 as its merchant calls it: an independent client for what it can do, and requests signed by hand."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Final

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from wechatpayv3 import WeChatPay, WeChatPayType

from tests.sandbox.rig import Rig

Json = dict[str, Any]

ORDER: Final = "ORDER000001"


class V3Merchant:
    """`peer` is wechatpayv3; by its own choice it asks for answers signed by WeChat Pay's public key."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    @cached_property
    def peer(self) -> Any:
        known = self.rig.merchant
        peer = WeChatPay(
            WeChatPayType.JSAPI,
            known["mch_id"],
            known["private_key_pem"],
            known["serial_no"],
            known["appid"],
            known["api_v3_key"],
            notify_url=self.rig.shop.v3_url,
            public_key=known["platform"]["public_key_pem"],
            public_key_id=known["platform"]["public_key_id"],
            timeout=10,
        )
        peer._core._gate_way = str(self.rig.http.base_url).rstrip("/")
        return peer

    def trust_certificates(self) -> None:
        """Let the peer know no public key: it fetches the platform certificates when it meets a signature."""
        self.peer._core._public_key = self.peer._core._public_key_id = None

    async def ask(self, call: Callable[..., tuple[int, str]], *args: object, **named: object) -> tuple[int, Json]:
        """Let the peer make a call; it raises unless a good answer is rightly signed."""
        status, text = await asyncio.to_thread(call, *args, **named)
        return status, json.loads(text) if text else {}

    async def order(self, pay_type: WeChatPayType = WeChatPayType.JSAPI, **changes: object) -> tuple[int, Json]:
        openid = await self.rig.openid()
        order = {
            "description": "帮我付",
            "out_trade_no": ORDER,
            "amount": {"total": 1000, "currency": "CNY"},
            "payer": {"openid": openid},
            "attach": "o=42",
            "pay_type": pay_type,
        }
        return await self.ask(self.peer.pay, **{**order, **changes})

    async def paid(self, **changes: object) -> str:
        """Order and pay; return the transaction_id."""
        status, answer = await self.order(**changes)
        assert status == 200, answer
        return await self.rig.paid()

    async def query(self) -> Json:
        status, answer = await self.ask(self.peer.query, out_trade_no=ORDER)
        assert status == 200, answer
        return answer

    async def refund(self, out_refund_no: str = "REFUND000001", **changes: int) -> tuple[int, Json]:
        amount = {"refund": 1000, "total": 1000, "currency": "CNY", **changes}
        return await self.ask(self.peer.refund, out_refund_no, amount, out_trade_no=ORDER)

    async def heard(self) -> Json:
        """Return the newest notify as the peer verifies and opens it; an empty one if it does not trust it."""
        headers, body = self.rig.shop.letters[-1]
        event: Json | None = await asyncio.to_thread(self.peer.callback, headers, body)
        return event or {}

    def order_body(self, **changes: object) -> Json:
        body: Json = {
            "appid": self.rig.merchant["appid"],
            "mchid": self.rig.merchant["mch_id"],
            "description": "帮我付",
            "out_trade_no": ORDER,
            "notify_url": self.rig.shop.v3_url,
            "amount": {"total": 1000, "currency": "CNY"},
        }
        return {name: value for name, value in {**body, **changes}.items() if value is not None}

    async def send(
        self, method: str, path: str, body: Json | bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sign and send; `headers` come after the signing."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        signed = {"Authorization": self.authorization(method, path, content), "Accept": "application/json"}
        kind = {"Content-Type": "application/json"} if content else {}
        return await self.rig.http.request(method, path, content=content, headers={**signed, **kind, **(headers or {})})

    def authorization(self, method: str, path: str, body: bytes, **changes: str) -> str:
        given = {
            "mchid": self.rig.merchant["mch_id"],
            "nonce_str": secrets.token_hex(16),
            "timestamp": str(int(time.time())),
            "serial_no": self.rig.merchant["serial_no"],
            **changes,
        }
        message = f"{method}\n{path}\n{given['timestamp']}\n{given['nonce_str']}\n".encode() + body + b"\n"
        given["signature"] = signature_of(self.rig, message)
        return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in given.items())


@lru_cache(maxsize=4)
def _private_key(pem: str) -> Any:
    return load_pem_private_key(pem.encode(), password=None)


def signature_of(rig: Rig, message: bytes) -> str:
    """Return what the merchant's own key makes of it."""
    private_key = _private_key(rig.merchant["private_key_pem"])
    return base64.b64encode(private_key.sign(message, PKCS1v15(), SHA256())).decode()


def is_rightly_signed(public_key: Any, headers: Mapping[str, str], body: bytes) -> bool:
    message = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode() + body + b"\n"
    try:
        signature = base64.b64decode(headers["Wechatpay-Signature"], validate=True)
        public_key.verify(signature, message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key_of(rig: Rig) -> Any:
    return load_pem_public_key(rig.merchant["platform"]["public_key_pem"].encode())


def certificate_in(sealed: Mapping[str, str], api_v3_key: str) -> x509.Certificate:
    cipher = AESGCM(api_v3_key.encode())
    ciphertext, nonce = base64.b64decode(sealed["ciphertext"]), sealed["nonce"].encode()
    return x509.load_pem_x509_certificate(cipher.decrypt(nonce, ciphertext, sealed["associated_data"].encode()))
