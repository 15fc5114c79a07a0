"""A simulator on a free port, a merchant's server beside it that takes notifies, and a client that orders and pays."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
import xmltodict
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from sandbox import flat_xml, signing
from sandbox.app import start

DEADLINE_S: Final = 10
SUCCESS: Final = b"<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
FAIL: Final = b"<xml><return_code><![CDATA[FAIL]]></return_code><return_msg><![CDATA[not yet]]></return_msg></xml>"

CALLBACK: Final = "http://127.0.0.1:8000/auth/callback"

Fields = dict[str, str]


def _given(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value}


class Shop:
    """
    The merchant's server: keeps every notify and answers with `reply` once it `may_answer`.

    `letters` are the notifies of API v3, headers and bytes; their answer is the status `v3_status`.
    """

    def __init__(self) -> None:
        self.notify_url = ""
        self.refund_url = ""
        self.v3_url = ""
        self.v3_status = 204
        self.letters: list[tuple[dict[str, str], bytes]] = []
        self.reply = SUCCESS
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.bodies: list[bytes] = []
        self._changed = asyncio.Condition()

    @property
    def notifies(self) -> list[Fields]:
        return [dict(xmltodict.parse(body)["xml"]) for body in self.bodies]

    async def take(self, body: bytes) -> bytes:
        async with self._changed:
            self.bodies.append(body)
            self._changed.notify_all()
        await self.may_answer.wait()
        return self.reply

    async def take_v3(self, headers: dict[str, str], body: bytes) -> int:
        async with self._changed:
            self.letters.append((headers, body))
            self._changed.notify_all()
        return self.v3_status

    async def wait_for_letters(self, count: int = 1) -> list[tuple[dict[str, str], bytes]]:
        """Return the notifies of API v3 as soon as there are `count` of them."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.letters) >= count)
        return self.letters

    async def wait_for(self, count: int) -> list[Fields]:
        """Return the notifies as soon as there are `count` of them."""
        async with asyncio.timeout(DEADLINE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.bodies) >= count)
        return self.notifies


class _NotifyHandler(RequestHandler):
    def initialize(self, shop: Shop) -> None:
        self.shop = shop

    async def post(self) -> None:
        self.finish(await self.shop.take(self.request.body))


class _V3NotifyHandler(RequestHandler):
    def initialize(self, shop: Shop) -> None:
        self.shop = shop

    async def post(self) -> None:
        self.set_status(await self.shop.take_v3(dict(self.request.headers), self.request.body))


@asynccontextmanager
async def served(app: Application, *, xheaders: bool = False) -> AsyncIterator[int]:
    """Yield the free port an application listens on."""
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(app, xheaders=xheaders)
    server.add_sockets(sockets)
    try:
        yield sockets[0].getsockname()[1]
    finally:
        server.stop()
        await server.close_all_connections()


@asynccontextmanager
async def a_shop() -> AsyncIterator[Shop]:
    shop = Shop()
    known = {"shop": shop}
    routes = [
        (r"/wechat/notify/(?:pay|refund)", _NotifyHandler, known),
        (r"/wechat/notify/v3", _V3NotifyHandler, known),
    ]
    app = Application(routes, log_function=lambda handler: None)
    async with served(app) as port:
        shop.notify_url = f"http://127.0.0.1:{port}/wechat/notify/pay"
        shop.refund_url = f"http://127.0.0.1:{port}/wechat/notify/refund"
        shop.v3_url = f"http://127.0.0.1:{port}/wechat/notify/v3"
        yield shop


class Rig:
    """One simulator as its merchant and its tester see it."""

    def __init__(self, http: httpx.AsyncClient, shop: Shop, merchant: Mapping[str, Any]) -> None:
        self.http = http
        self.shop = shop
        self.merchant = merchant

    async def openid(self, persona: str = "小红") -> str:
        return str((await self._user(persona))["openid"])

    async def openid_under(self, appid: str, persona: str = "小红") -> str:
        return str((await self._user(persona))["openids"][appid])

    async def _user(self, persona: str) -> dict[str, Any]:
        users = (await self.http.get("/_sim/users")).json()
        return next(user for user in users if user["nickname"] == persona)

    async def order_fields(self, **changes: str) -> Fields:
        """Return a good unified order as the test changed it, unsigned; a field changed to "" is left out."""
        fields = {
            "appid": self.merchant["appid"],
            "mch_id": self.merchant["mch_id"],
            "nonce_str": signing.nonce(),
            "sign_type": "HMAC-SHA256",
            "body": "帮我付-测试订单",
            "attach": "o=42&k=a+b",
            "out_trade_no": "ORDER000001",
            "total_fee": "1000",
            "spbill_create_ip": "203.0.113.7",
            "notify_url": self.shop.notify_url,
            "trade_type": "JSAPI",
            "openid": await self.openid(),
        }
        return _given({**fields, **changes})

    def signed(self, fields: Fields) -> Fields:
        sign_type = fields.get("sign_type", "MD5")
        return {**fields, "sign": signing.sign(fields, self.merchant["api_key"], sign_type)}

    async def call(self, path: str, fields: Fields) -> Fields:
        """Sign and send; an answer that carries a signature must carry a right one, of the request's own type."""
        response = await self.http.post(path, content=flat_xml.write(self.signed(fields)))
        answer = dict(xmltodict.parse(response.content)["xml"])
        if "sign" in answer:
            assert signing.is_signed(answer, self.merchant["api_key"], fields.get("sign_type", "MD5"))
        return answer

    async def order(self, **changes: str) -> Fields:
        return await self.call("/pay/unifiedorder", await self.order_fields(**changes))

    async def ordered(self, out_trade_no: str = "ORDER000001", **changes: str) -> str:
        """Place an order that must succeed and return its prepay_id."""
        answer = await self.order(out_trade_no=out_trade_no, **changes)
        assert answer.get("result_code") == "SUCCESS", answer
        return answer["prepay_id"]

    def about(self, out_trade_no: str = "ORDER000001", **changes: str) -> Fields:
        """Return the fields of a query or a close."""
        fields = {
            "appid": self.merchant["appid"],
            "mch_id": self.merchant["mch_id"],
            "nonce_str": signing.nonce(),
            "sign_type": "HMAC-SHA256",
            "out_trade_no": out_trade_no,
        }
        return _given({**fields, **changes})

    async def query(self, out_trade_no: str = "ORDER000001") -> Fields:
        return await self.call("/pay/orderquery", self.about(out_trade_no))

    async def close(self, out_trade_no: str = "ORDER000001") -> Fields:
        return await self.call("/pay/closeorder", self.about(out_trade_no))

    def refund_fields(self, out_refund_no: str = "REFUND000001", **changes: str) -> Fields:
        """Return a good refund of the whole first order as the test changed it, unsigned."""
        fields = {"out_refund_no": out_refund_no, "total_fee": "1000", "refund_fee": "1000"}
        return self.about(**{**fields, "notify_url": self.shop.refund_url, **changes})

    async def refund(self, out_refund_no: str = "REFUND000001", **changes: str) -> Fields:
        return await self.call("/secapi/pay/refund", self.refund_fields(out_refund_no, **changes))

    async def refunded(self, out_refund_no: str = "REFUND000001", **changes: str) -> str:
        """Ask for a refund, which must be accepted, and return its refund_id."""
        answer = await self.refund(out_refund_no, **changes)
        assert answer.get("result_code") == "SUCCESS", answer
        return answer["refund_id"]

    async def refund_query(self, **numbers: str) -> Fields:
        """Ask by the numbers given; without any by the first order's."""
        asked = {"out_trade_no": "", **numbers} if numbers else {}
        return await self.call("/pay/refundquery", self.about(**asked))

    async def ledger(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.get("/_sim/ledger")).json()
        return answer

    async def bill(self, bill_date: str, bill_type: str = "ALL", **changes: str) -> httpx.Response:
        fields = self.about(**{"out_trade_no": "", "bill_date": bill_date, "bill_type": bill_type, **changes})
        return await self.http.post("/pay/downloadbill", content=flat_xml.write(self.signed(fields)))

    async def pay(self, **asked: object) -> httpx.Response:
        return await self.http.post("/_sim/pay", json=asked or {"out_trade_no": "ORDER000001"})

    async def paid(self, out_trade_no: str = "ORDER000001") -> str:
        """Pay an order, which must succeed, and return its transaction_id."""
        response = await self.pay(out_trade_no=out_trade_no)
        assert response.status_code == 200, response.text
        return str(response.json()["transaction_id"])

    async def authorize(self, **changes: str) -> httpx.Response:
        """Ask for a login with the parameters in WeChat's order; one changed to "" is left out."""
        asked = {
            "appid": self.merchant["appid"],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "snsapi_userinfo",
            "state": "abc123",
        }
        return await self.http.get("/connect/oauth2/authorize", params=_given({**asked, **changes}))

    async def code_of(self, persona: str = "小红", scope: str = "snsapi_userinfo") -> str:
        """Log in without a page and return the code WeChat sends back with."""
        response = await self.authorize(persona=persona, scope=scope)
        return parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]

    async def exchange(self, issued: str, **changes: str) -> httpx.Response:
        asked = {
            "appid": self.merchant["appid"],
            "secret": self.merchant["app_secret"],
            "code": issued,
            "grant_type": "authorization_code",
        }
        return await self.http.get("/sns/oauth2/access_token", params=_given({**asked, **changes}))

    def pay_call(self, prepay_id: str, **changes: object) -> dict[str, object]:
        """Return what a merchant's page hands to the bridge; the test's changes come after the signing."""
        call = {
            "appId": self.merchant["appid"],
            "timeStamp": "1795249454",
            "nonceStr": signing.nonce(),
            "package": f"prepay_id={prepay_id}",
            "signType": "HMAC-SHA256",
        }
        return {**call, "paySign": signing.pay_sign(call, self.merchant["api_key"]), **changes}

    async def advance(self, by_s: float) -> None:
        (await self.http.post("/_sim/clock", json={"advance_s": by_s})).raise_for_status()

    async def fault(self, target: str, kind: str, **parameters: object) -> None:
        response = await self.http.post("/_sim/faults", json={"target": target, "kind": kind, **parameters})
        assert response.status_code == 200, response.text

    async def calls(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.get("/_sim/calls")).json()
        return answer

    async def journal_of(self, count: int) -> list[dict[str, Any]]:
        """Return the journal of sent notifies as soon as it holds `count` of them."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                notifies: list[dict[str, Any]] = (await self.calls())["notifies"]
                if len(notifies) >= count:
                    return notifies

    async def pending_of(self, *nths: int) -> list[dict[str, Any]]:
        """Return what waits to be sent as soon as it is these attempts; a restart would find the same."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                pending: list[dict[str, Any]] = (await self.calls())["pending"]
                if [notify["nth"] for notify in pending] == list(nths):
                    return pending


@asynccontextmanager
async def rig_at(url: str, shop: Shop) -> AsyncIterator[Rig]:
    """Return a rig of a simulator that runs already."""
    async with httpx.AsyncClient(base_url=url, verify=False, trust_env=False, timeout=DEADLINE_S) as http:
        yield Rig(http, shop, (await http.get("/_sim/merchant")).json())


@asynccontextmanager
async def a_rig() -> AsyncIterator[Rig]:
    """Return a rig of a fresh simulator in this process."""
    async with a_shop() as shop:
        sandbox = await start()
        try:
            async with rig_at(sandbox.url, shop) as rig:
                yield rig
        finally:
            await sandbox.aclose()
