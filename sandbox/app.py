"""
The simulated WeChat on one port: all routes on one page, and the door everybody uses, `start`.

It meets the server on the wire only: nothing here imports server, handlers or settings, nor they this.
"""

from pathlib import Path
from typing import Final

import anyio
import anyio.lowlevel
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from sandbox import (
    bill_api,
    cashier,
    client_sheets,
    control,
    h5_page,
    jssdk,
    key_api,
    miniprogram,
    oauth,
    official_api,
    pages,
    pay_api,
    payer_page,
    refund_api,
    switches,
    v3_bill_api,
    v3_certificates,
    v3_pay_api,
    v3_refund_api,
)
from sandbox.world import REFUND_AFTER_S, World, build_world

_HERE: Final = Path(__file__).parent
_MAX_REQUEST_BYTES: Final = 1024 * 1024


Route = tuple[str, type[RequestHandler], dict[str, object]]


class Sandbox:
    """A running simulator; `url` has no slash at its end."""

    def __init__(self, server: HTTPServer, world: World, *, host: str, port: int) -> None:
        self._server = server
        self._world = world
        self.port = port
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def aclose(self) -> None:
        """Stop listening and sending, and end every connection."""
        self._server.stop()
        await self._world.aclose()
        await self._server.close_all_connections()


async def start(
    *, host: str = "127.0.0.1", port: int = 0, data_dir: Path | None = None, refund_after_s: float = REFUND_AFTER_S
) -> Sandbox:
    """
    Return a simulator that is listening.

    Args:
        port: 0 takes any free one.
        data_dir: Where it remembers everything over a restart, kill -9 included; None forgets with the process.
        refund_after_s: How long an accepted refund is on its way, by the simulator's clock.

    Raises:
        OSError: The port is taken.
    """
    await anyio.lowlevel.checkpoint()  # loads what httpx waits with, so that the first notify is not late
    sockets = bind_sockets(port, host)
    world = build_world(data_dir, refund_after_s=refund_after_s)
    server = HTTPServer(make_app(world), max_body_size=_MAX_REQUEST_BYTES)
    server.add_sockets(sockets)
    world.notifier.resume()
    return Sandbox(server, world, host=host, port=sockets[0].getsockname()[1])


def make_app(world: World) -> Application:
    """Return every route of the simulator."""
    known = {"world": world}
    return Application(
        [
            (r"/", pages.HomeHandler, known),
            (r"/pay/unifiedorder", pay_api.UnifiedOrderHandler, _call(world, "unifiedorder", "unifiedorder")),
            (r"/pay/orderquery", pay_api.OrderQueryHandler, _call(world, "orderquery", "orderquery")),
            (r"/pay/closeorder", pay_api.CloseOrderHandler, _call(world, "closeorder", "closeorder")),
            (r"/secapi/pay/refund", refund_api.RefundHandler, _call(world, "refund", "refund")),
            (r"/pay/refundquery", refund_api.RefundQueryHandler, _call(world, "refundquery", "refundquery")),
            (r"/pay/downloadbill", bill_api.DownloadBillHandler, _call(world, "downloadbill", "downloadbill")),
            *_v3_routes(world),
            (r"/connect/oauth2/authorize", oauth.AuthorizeHandler, known),
            (r"/sns/oauth2/access_token", oauth.AccessTokenHandler, _call(world, "access_token", "oauth")),
            (r"/sns/userinfo", oauth.UserInfoHandler, _call(world, "userinfo", "oauth")),
            (r"/sns/auth", oauth.AuthHandler, _call(world, "auth", "oauth")),
            (r"/sns/jscode2session", miniprogram.Code2SessionHandler, _call(world, "code2session", "code2session")),
            (r"/cgi-bin/stable_token", official_api.StableTokenHandler, _call(world, "stable_token", "stable_token")),
            (r"/cgi-bin/ticket/getticket", official_api.TicketHandler, _call(world, "getticket", "getticket")),
            (r"/cgi-bin/message/template/send", official_api.TemplateHandler, _call(world, "template", "message")),
            (
                r"/cgi-bin/message/subscribe/(?:biz)?send",
                official_api.SubscribeHandler,
                _call(world, "subscribe", "message"),
            ),
            (r"/_sim/messages", official_api.MessagesHandler, known),
            (r"/_sim/js_code", miniprogram.JsCodeHandler, known),
            (r"/_sim/pay", control.PayHandler, known),
            (r"/_sim/ledger", control.LedgerHandler, known),
            (r"/_sim/faults", control.FaultsHandler, known),
            (r"/_sim/merchant", key_api.MerchantHandler, known),
            (r"/_sim/keys", key_api.KeysHandler, known),
            (r"/_sim/switch", switches.SwitchHandler, known),
            (r"/_sim/calls", control.CallsHandler, known),
            (r"/_sim/clock", control.ClockHandler, known),
            (r"/_sim/users", control.UsersHandler, known),
            (r"/_sim/cashier", cashier.CashierHandler, known),
            (r"/_sim/app", client_sheets.AppHandler, known),
            (r"/_sim/miniprogram", client_sheets.MiniprogramHandler, known),
            (r"/_sim/scan", payer_page.ScanHandler, known),
            (r"/_sim/payer", payer_page.PayerHandler, known),
            (h5_page.PATH, h5_page.H5Handler, known),
            (r"/_sim/avatar/([\w-]+)\.svg", pages.AvatarHandler, known),
            (r"/_sim/jssdk", jssdk.JssdkHandler, known),
            (r"/_sim/((?:bridge|jweixin)\.js)", pages.AssetHandler, {"path": str(_HERE / "static")}),
            (r"/_sim/static/([a-z_]+\.(?:js|css|svg))", pages.AssetHandler, {"path": str(_HERE / "static")}),
        ],
        template_path=str(_HERE / "templates"),
        log_function=_be_quiet,
    )


def _v3_routes(world: World) -> list[Route]:
    """A call suffers the faults of its twin in API v2."""
    orders, refunds = r"/v3/pay/transactions", r"/v3/refund/domestic/refunds"
    by_number = rf"{orders}/out-trade-no/([0-9A-Za-z_\-|*]+)"
    return [
        (rf"{orders}/(jsapi|native|h5|app)", v3_pay_api.PrepayHandler, _call(world, "v3/prepay", "unifiedorder")),
        (by_number, v3_pay_api.QueryByOutTradeNoHandler, _call(world, "v3/query", "orderquery")),
        (rf"{orders}/id/(\w+)", v3_pay_api.QueryByTransactionIdHandler, _call(world, "v3/query", "orderquery")),
        (rf"{by_number}/close", v3_pay_api.CloseHandler, _call(world, "v3/close", "closeorder")),
        (refunds, v3_refund_api.RefundHandler, _call(world, "v3/refund", "refund")),
        (
            rf"{refunds}/([0-9A-Za-z_\-|*@]+)",
            v3_refund_api.RefundQueryHandler,
            _call(world, "v3/refundquery", "refundquery"),
        ),
        (r"/v3/bill/tradebill", v3_bill_api.TradeBillHandler, _call(world, "v3/tradebill", "downloadbill")),
        (v3_bill_api.DOWNLOAD_PATH, v3_bill_api.BillFileHandler, _call(world, "v3/billdownload", "billdownload")),
        (r"/v3/certificates", v3_certificates.CertificatesHandler, _call(world, "v3/certificates", "certificates")),
    ]


def _call(world: World, api: str, target: str) -> dict[str, object]:
    return {"world": world, "api": api, "target": target}


def _be_quiet(handler: RequestHandler) -> None:
    """No access log: what was asked is in /_sim/calls."""
