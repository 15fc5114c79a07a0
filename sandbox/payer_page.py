"""
The cashier of a scene without a page of the merchant's inside WeChat: a scanned QR code, or a phone's browser.

Whoever is chosen on it stands for the person whose WeChat it is. He has opened the order even if he does not pay, so
from then on it is his alone.
"""

from typing import Final
from urllib.parse import urlsplit

from sandbox.cashier import OUTCOMES
from sandbox.ledger import PayRefused
from sandbox.order import Order, OrderRefused
from sandbox.web import Handler

_OUTCOME_WORDS: Final = {"ok": "支付成功 · Paid", "cancel": "已取消 · Cancelled", "fail": "支付失败 · Failed"}


def web_host(url: str) -> str:
    """Return the host of an http or https address, or nothing for anything else."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    is_web = parts.scheme in ("http", "https") and "@" not in parts.netloc and url.isprintable()
    return parts.hostname or "" if is_web else ""


class PayerPage(Handler):
    """What both cashiers show."""

    def show(self, order: Order, *, redirect_url: str = "") -> None:
        self.render_page(
            "payer.html",
            order=order,
            merchant_name=self.world.merchant.name,
            yuan=f"{order.total_fee // 100}.{order.total_fee % 100:02}",
            users=self.world.users.to_choose_from(),
            redirect_url=redirect_url,
        )

    def show_refusal(self, message: str, status: int = 400) -> None:
        self.set_status(status)
        self.render_page("payer_refused.html", message=message)


class ScanHandler(PayerPage):
    """`code_url` is what the QR code says, scanned or pasted; without one the page asks for it."""

    def get(self) -> None:
        code_url = self.get_query_argument("code_url", "")
        if not code_url:
            self.render_page("scan.html")
            return
        try:
            self.show(self.world.ledger.find(code_url=code_url))
        except OrderRefused:
            self.show_refusal("二维码已失效", 404)


class PayerHandler(PayerPage):
    """The person has pressed a button; WeChat then leads a browser back, whether or not he has paid."""

    def post(self) -> None:
        outcome = self.get_body_argument("outcome", "")
        redirect_url = self.get_body_argument("redirect_url", "")
        is_foreign = self.request.headers.get("Sec-Fetch-Site") == "cross-site"
        if outcome not in OUTCOMES or is_foreign or (redirect_url and not web_host(redirect_url)):
            self.send_error(400)
            return
        try:
            order = self.world.ledger.find(prepay_id=self.get_body_argument("prepay_id", ""))
            payer = self.world.payer(order, self.get_body_argument("openid", ""))
            self.world.decide(order, payer, outcome)
        except PayRefused as refused:
            self.show_refusal(refused.message, 409)
        except OrderRefused as refused:
            self.show_refusal(refused.message, 404)
        else:
            self._go_back(outcome, redirect_url)

    def _go_back(self, outcome: str, redirect_url: str) -> None:
        if redirect_url:
            self.redirect(redirect_url, status=303)
        else:
            self.render_page("payer_done.html", words=_OUTCOME_WORDS[outcome])
