"""API v2: is its key right, and may each of our appids take money for this merchant number?"""

import secrets

from server.bootstrap import merchant_of
from server.doctor.appids import NO_SUCH_NUMBER, appids_of
from server.doctor.finding import Finding, Level, ok
from server.doctor.wechat_refusals import of_payment_call
from server.errors import WeChatError, WeChatRefused
from server.wechat import v2_answers, v2_calls
from server.wechat.line import Line
from server.wechat.v2_sign import Merchant
from settings import Settings


async def check_v2(settings: Settings) -> list[Finding]:
    """
    Ask after an order that cannot exist, once under each appid.

    That WeChat does not know it proves merchant number, key and appid at once, and changes nothing there.
    """
    if not settings.wechat_api_keys:
        return []
    merchant = merchant_of(settings)
    line = Line(settings.wechat_base_urls, settings.wechat_timeout_s)
    found: list[Finding] = []
    try:
        for setting, appid in appids_of(settings).items():
            found.append(await _ask(setting, appid, merchant, line))
            if found[-1].level is Level.WRONG and not found[-1].code.startswith("appid_"):
                break  # the others would say the same
    finally:
        await line.aclose()
    return found


async def _ask(setting: str, appid: str, merchant: Merchant, line: Line) -> Finding:
    params = {"appid": appid, "mch_id": merchant.mch_id, "out_trade_no": NO_SUCH_NUMBER}
    request = v2_calls.signed_request(params, merchant, secrets.token_hex(16))
    try:
        answer = await line.fetch("orderquery", "POST", "/pay/orderquery", request)
        v2_answers.read_answer("orderquery", answer, merchant)
    except WeChatRefused as refused:
        if refused.code != "ORDERNOTEXIST":
            return of_payment_call(refused, setting=setting, signature_code="v2_key_wrong")
    except WeChatError as error:
        return of_payment_call(error, setting=setting, signature_code="v2_key_wrong")
    return ok("v2_fine", setting=setting, appid=appid)
