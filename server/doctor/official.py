"""The official account and the mini-program: does WeChat know their secrets, their addresses, their template?"""

import secrets

from server.bootstrap import miniprogram_client_of, official_client_of
from server.doctor.finding import Finding, by_hand, ok
from server.doctor.wechat_refusals import of_official_call
from server.domain.money import Fen
from server.errors import LoginRefused, StaleToken, WeChatError
from server.official_ports import MessageKind, PaidMessage, Template
from server.wechat.official_client import OfficialClient
from settings import Settings


async def check_official(settings: Settings) -> list[Finding]:
    """Fetch the stable token, which stays what it is, and send a message to nobody."""
    client = official_client_of(settings)
    try:
        token = await client.fetch_access_token(force=False)
        templates = [each for each in settings.message_templates if each.kind is MessageKind.TEMPLATE]
        template = [await _template(client, token.value, settings.origin, each) for each in templates]
    except WeChatError as error:
        return [of_official_call(error, setting="WECHAT_APPID, WECHAT_APP_SECRET")]
    finally:
        await client.aclose()
    return [ok("official_account_fine"), *template]


async def check_miniprogram(settings: Settings) -> list[Finding]:
    """Redeem a code that nobody was given: WeChat looks at the secret first."""
    client = miniprogram_client_of(settings)
    if client is None:
        return []
    setting = "WECHAT_MINIPROGRAM_APPID, WECHAT_MINIPROGRAM_SECRET"
    try:
        await client.redeem(secrets.token_hex(16))
    except LoginRefused:
        return [ok("miniprogram_fine")]
    except WeChatError as error:
        return [of_official_call(error, setting=setting)]
    finally:
        await client.aclose()
    return [ok("miniprogram_fine")]


async def _template(client: OfficialClient, token: str, origin: str, template: Template) -> Finding:
    """WeChat may name the receiver before it looks at the template; then nothing is known of that."""
    nobody = PaidMessage(
        openid="daifu_doctor_nobody",
        url=origin,
        client_msg_id=secrets.token_hex(16),
        title="daifu",
        payer="daifu",
        amount=Fen(1),
        paid_shares=1,
        shares=1,
        paid_at_ms=0,
    )
    try:
        await client.send_paid(token, nobody, template)
    except StaleToken:
        return by_hand("template_unproved")
    except WeChatError as error:
        return of_official_call(error, setting="WECHAT_TEMPLATE_ID")
    return ok("template_fine")
