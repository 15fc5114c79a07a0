"""
What WeChat would say of a refund, made without any code of ours: another library encrypts it.

`REQ_INFO` is a fixed example under `KEY`, made with openssl, and `REFUND_NOTIFY` what is in it.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from wechatpy.crypto.cryptography import AesEcbCipher

from server.domain.document import Order, Payment, Refund
from tests.builders import after, an_order, paid, refund_asked, refund_no, started
from tests.wechat.wechat_wire import KEY, an_answer, to_wire

REQ_INFO: Final = (
    "WBzGpzQuNpcFxIlFjUUD9FS4tLqEQ5H8bdh90ek2njMM/AmaBHsrEKKvG/cCcwCVPhL+H4f4bHxpnud1e1XGrhHgth8D6u2RiGjo"
    "7kz7SBpoRj3vAqMMbiUySVOqd9N9eo4p+ZKb4dZkqV6pDxwWSMIgPxHR9TCX+Z3bCjpyhs0ZlzZ4IHnYubBlNF5DEbqQ8jwFcyfA"
    "uG4sujwkR36x3P7zNMpw2W7of5a2iRyz0Mz5H9esOmltP25m1TwAnWjxzKaQd5BrCQ+fhQamKPHUmVU/4dKSmCnj4lcnWiDwqnFh"
    "85MhuzZghXmvBPHbdqunu53ZBjowNQUMdqpRgDIz/1XMn06wXB5CLVBlBJKWOJHs3VsfYB10ogIt63PYgIj5D+A5HZAJpO0GP2px"
    "bjdBeOPq0kK6fMybWTJVKn1aKccnIMJDQxLepcfNSLvk+xail4zPq5SMq4Dg8+4FqlfJUTQ5bBfU9e3wNzA0QLRo30L+ZP7hGHxM"
    "LtOT0kb1HhX22/hsPsiSUV8rMUUCq7CSTP8fOdcEuLWG/XkwdHs04mkCYdgqYKlhHSz92Ru1Uy5JG2NF/wShb2l4JS+IKj39fjKs"
    "IYxnN+nKF8dqCHtPKXYqDv5Y15MSDYFPW0Fg6dCR+e6SPv2J3WqtgQFMcmEb0wmY3XBnLZdptepumpRaw0+JJLK6vZd4FJNoZqiN"
    "p7O1rSzKeLOUxJRcwO+F3uOrS8Nm+4uvCZ3AXdHDBTz4IC3HiCsMANfL+Oyymc/r+7+Ym4g0lpdgs7BLrDXJ5WnaDGcHkRRhOZYx"
    "tUk5xhqm46sKOt/cqf3+URcIn2oPMYUl"
)
REFUND_NOTIFY: Final = {
    "out_refund_no": "RF20261121000000001",
    "out_trade_no": "PAY20261121000000001",
    "refund_account": "REFUND_SOURCE_RECHARGE_FUNDS",
    "refund_fee": "1000",
    "refund_id": "50000408942018111907145868882",
    "refund_recv_accout": "支付用户零钱",
    "refund_request_source": "API",
    "refund_status": "SUCCESS",
    "settlement_refund_fee": "990",
    "success_time": "2026-11-21 16:24:13",
    "total_fee": "1000",
    "transaction_id": "4200000215202611210261405420",
}


def a_refund() -> tuple[Order, Payment, Refund]:
    """Return an order of which 30 of 100 fen are to go back, with that payment and refund."""
    order = after(an_order(), started(), paid(), refund_asked(1, 30))
    payment = order.payments[0]
    return order, payment, payment.refunds[0]


def a_refund_answer(**changes: str) -> bytes:
    """Return WeChat's acceptance of `a_refund()`, with some fields changed."""
    _, payment, refund = a_refund()
    accepted = {
        "transaction_id": payment.transaction_id,
        "out_trade_no": payment.out_trade_no,
        "out_refund_no": refund.out_refund_no,
        "refund_id": "50000408942018111907145868882",
        "refund_fee": "30",
        "total_fee": "100",
        "cash_fee": "100",
        "fee_type": "CNY",
    }
    return an_answer(**{**accepted, **changes})


def a_refundquery_answer(**changes: str) -> bytes:
    """Return WeChat's word that `a_refund()` is paid, with some fields changed."""
    found = {
        "transaction_id": "42000001",
        "out_trade_no": "01K75X8QZ3M4N5P6R7S8T9V0WA001",
        "total_fee": "100",
        "refund_count": "1",
        "out_refund_no_0": refund_no(),
        "refund_id_0": "50000408942018111907145868882",
        "refund_fee_0": "30",
        "refund_status_0": "SUCCESS",
        "refund_recv_accout_0": "支付用户零钱",
        "refund_success_time_0": "2026-11-21 16:24:13",
    }
    return an_answer(**{**found, **changes})


def encrypted(plaintext: bytes, key: str = KEY) -> str:
    """Return what wechatpy encrypts this to, as WeChat writes it into `req_info`."""
    padding = 16 - len(plaintext) % 16
    return encrypted_blocks(plaintext + bytes([padding]) * padding, key)


def encrypted_blocks(blocks: bytes, key: str = KEY) -> str:
    """As `encrypted`, without adding the padding."""
    aes_key = hashlib.md5(key.encode()).hexdigest().encode()
    return base64.b64encode(AesEcbCipher(aes_key).encrypt(blocks)).decode()


def inner_xml(fields: Mapping[str, str]) -> bytes:
    return to_wire(fields).replace(b"<xml>", b"<root>").replace(b"</xml>", b"</root>")


def a_refund_notify(req_info: str = REQ_INFO, **changes: str) -> bytes:
    """Return a notify with this content; `changes` are to the fields outside of it."""
    outer = {"return_code": "SUCCESS", "appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "nonce_str": "n"}
    return to_wire({**outer, "req_info": req_info, **changes})
