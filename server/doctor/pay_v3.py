"""API v3: do our signature, our API v3 key and WeChat's keys hold, and is the appid bound to the merchant number?"""

import secrets
from typing import Final

from server.bootstrap import v3_client_of
from server.doctor.appids import NO_SUCH_NUMBER
from server.doctor.finding import Finding, by_hand, ok, wrong
from server.doctor.wechat_refusals import of_payment_call
from server.errors import (
    BadNotify,
    SealBroken,
    SignatureMismatch,
    StaleNotify,
    UnknownSerial,
    WeChatError,
    WeChatRefused,
    WeChatUnavailable,
)
from server.ports import Clock
from server.wechat import v3_answers, v3_calls, v3_keys
from server.wechat.beijing import to_rfc3339
from server.wechat.line import Answer
from server.wechat.v3_client import WeChatPayV3Client
from server.wechat.v3_keys import KeyRing
from settings import Settings

_SIGNATURE: Final = "v3_signature_refused"
_SETTING: Final = "WECHAT_APPID"
_ORDER_LIFE_MS: Final = 600_000


async def check_v3(settings: Settings, clock: Clock) -> list[Finding]:
    """
    Fetch WeChat's certificates, and ask after an order that cannot exist.

    Neither names an appid. Where there is no API v2 key to ask with, an order of one fen is placed at WeChat and
    closed at once: nobody is shown its code.
    """
    if not settings.speaks_v3:
        return []
    client = v3_client_of(settings, clock)
    try:
        return await _Examination(client, clock).findings(asks_for_appid=not settings.wechat_api_keys)
    except WeChatError as error:
        return [of_payment_call(error, setting=_SETTING, signature_code=_SIGNATURE)]
    finally:
        await client.aclose()


class _Examination:
    """One conversation with WeChat; `_ring` holds the keys it has proved so far."""

    def __init__(self, client: WeChatPayV3Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ring: KeyRing = client.keys.ring

    async def findings(self, *, asks_for_appid: bool) -> list[Finding]:
        """
        Return what was found.

        Raises:
            WeChatError: WeChat gave no answer, or refused us as a whole.
        """
        found = [await self._certificates(), await self._query()]
        if asks_for_appid and found[-1].code == "v3_fine":
            found.append(await self._appid())
        return found

    async def _certificates(self) -> Finding:
        """A merchant of WeChat Pay's public key has none. Source: WeChat Pay API v3, "WeChat Pay public key"."""
        answer = await self._client.ask(v3_calls.certificates())
        if answer.status == 404:
            return by_hand("v3_key_unproved") if self._ring.keys else wrong("public_key_missing")
        if answer.status != 200:
            raise _refusal("certificates", answer)
        try:
            keys = v3_keys.read_certificates(answer.body, self._client.merchant.api_v3_keys)
        except SealBroken:
            return wrong("v3_key_wrong")
        except BadNotify as error:
            raise WeChatUnavailable("certificates", str(error)) from None
        self._ring = self._ring.with_keys(keys)
        return ok("v3_key_fine")

    async def _query(self) -> Finding:
        if not self._ring.keys:
            return by_hand("answers_unproved")
        call = v3_calls.query(NO_SUCH_NUMBER, self._client.merchant)
        answer = await self._client.ask(call)
        if (doubt := self._doubt(answer)) and doubt.code == "public_key_of_another":
            answer = await self._client.ask(call)  # WeChat signs wrongly now and then, to see whether anybody looks
            doubt = self._doubt(answer)
        if doubt:
            return doubt
        if answer.status != 404:
            raise _refusal("query", answer)
        return ok("v3_fine")

    def _doubt(self, answer: Answer) -> Finding | None:
        try:
            v3_keys.verify(answer.headers, answer.body, self._ring, now_s=self._clock.now_ms() // 1000)
        except UnknownSerial as unknown:
            return wrong("public_key_id_wrong", serial_no=unknown.serial_no[:64])
        except SignatureMismatch:
            return wrong("public_key_of_another", serial_no=answer.headers.get("Wechatpay-Serial", "")[:64])
        except StaleNotify as stale:
            return wrong("clock_wrong", ahead_s=stale.age_s)
        except BadNotify as error:
            return wrong("wechat_not_believed", call="query", reason=str(error))
        return None

    async def _appid(self) -> Finding:
        merchant = self._client.merchant
        out_trade_no = f"daifu_doctor_{secrets.token_hex(8)}"
        order = {
            "appid": merchant.appid,
            "mchid": merchant.mch_id,
            "description": "daifu doctor",
            "out_trade_no": out_trade_no,
            "time_expire": to_rfc3339(self._clock.now_ms() + _ORDER_LIFE_MS),
            "notify_url": merchant.notify_url,
            "amount": {"total": 1, "currency": "CNY"},
        }
        answer = await self._client.ask(v3_calls.post("prepay", "/v3/pay/transactions/native", order))
        if answer.status == 200:
            await self._client.ask(v3_calls.close(out_trade_no, merchant))
            return ok("appid_bound", setting=_SETTING, appid=merchant.appid)
        error = _refusal("prepay", answer)
        if isinstance(error, WeChatRefused) and error.code == "NOAUTH":
            return by_hand("appid_unproved")
        raise error


def _refusal(call: str, answer: Answer) -> WeChatError:
    return v3_answers.refusal(call, answer.status, answer.body, request_id=answer.headers.get("Request-ID", ""))
