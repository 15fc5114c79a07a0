"""Pay notifies as an attacker, or a confused WeChat, would post them; signed apart from the server's own code."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from sandbox import flat_xml, signing
from tests.running import Daifu
from tests.stored import stored

Fields = dict[str, str]

TRANSACTION_ID: Final = "4200000000202607310000000001"
FAIL: Final = re.compile(
    rb"<xml><return_code><!\[CDATA\[FAIL\]\]></return_code>"
    rb"<return_msg><!\[CDATA\[(malformed|refused|error|try again)\]\]></return_msg></xml>"
)


@dataclass(frozen=True)
class Forger:
    """Knows the merchant's key, and one attempt of a friend."""

    http: httpx.AsyncClient
    merchant: Mapping[str, Any]
    out_trade_no: str
    openid: str

    def fields(self, **changes: str) -> Fields:
        """Return the genuine notify's fields, unsigned; a field changed to "" is left out."""
        genuine = {
            "return_code": "SUCCESS",
            "appid": self.merchant["appid"],
            "mch_id": self.merchant["mch_id"],
            "nonce_str": signing.nonce(),
            "sign_type": signing.HMAC_SHA256,
            "result_code": "SUCCESS",
            "openid": self.openid,
            "is_subscribe": "N",
            "trade_type": "JSAPI",
            "bank_type": "OTHERS",
            "total_fee": "1800",
            "fee_type": "CNY",
            "cash_fee": "1800",
            "transaction_id": TRANSACTION_ID,
            "out_trade_no": self.out_trade_no,
            "time_end": "20260731120000",
        }
        return {name: value for name, value in {**genuine, **changes}.items() if value}

    def signed(self, fields: Fields, *, key: str = "", sign_type: str = signing.HMAC_SHA256) -> Fields:
        return {**fields, "sign": signing.sign(fields, key or self.merchant["api_key"], sign_type)}

    def body(self, **changes: str) -> bytes:
        """Return a notify with these changes, rightly signed."""
        return flat_xml.write(self.signed(self.fields(**changes)))

    async def post(self, body: bytes) -> httpx.Response:
        return await self.http.post("/wechat/notify/pay", content=body, headers={"Content-Type": "text/xml"})


def check_refused(answer: httpx.Response, body: bytes) -> None:
    assert answer.status_code in (200, 400), (answer.status_code, body[:200])
    assert answer.headers["content-type"].startswith("text/xml"), body[:200]
    assert FAIL.fullmatch(answer.content), (answer.content, body[:200])


async def check_all_refused(daifu: Daifu, forger: Forger, bodies: Iterable[bytes]) -> None:
    """Each body is refused and leaves no trace; the genuine notify still settles."""
    before = stored(daifu)
    for body in bodies:
        check_refused(await forger.post(body), body)
        assert stored(daifu) == before, body[:200]
    await check_settles(daifu, forger)


async def check_settles(daifu: Daifu, forger: Forger) -> None:
    answer = await forger.post(forger.body())
    assert b"SUCCESS" in answer.content, answer.content
    order = await daifu.services.store.get(forger.out_trade_no[:26])
    assert (order.state, order.payments[0].transaction_id) == ("PAID", TRANSACTION_ID)
    # What the relay still has to do for this payment would change the store, and is none of the notify's doing.
    await daifu.services.relay.aclose()
