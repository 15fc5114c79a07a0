"""What every answer carries, what no answer carries, and which files are served at all."""

import asyncio
import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from handlers.problems import STATUS, describe
from handlers.texts import REASONS, TEXTS, text
from server import errors
from tests.people import Person, a_client
from tests.problems import problem
from tests.running import SESSION_SECRET, Daifu, start_daifu

ROOT: Final = Path(__file__).resolve().parent.parent.parent
UNKNOWN_ID: Final = "01HZX000000000000000000000"

ANSWERS: Final = (
    ("GET", "/", 200),
    ("GET", "/orders/{id}", 200),
    ("GET", "/pay/{id}", 200),
    ("GET", f"/pay/{UNKNOWN_ID}", 404),
    ("GET", "/orders/%ff", 400),
    ("GET", "/admin", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/api/stats", 200),
    ("GET", "/api/stats.csv", 200),
    ("GET", "/admin/login", 405),
    ("GET", "/api/admin/orders/{id}", 200),
    ("GET", "/auth/login", 302),
    ("GET", "/auth/login?next=%ff", 400),
    ("GET", "/auth/callback", 400),
    ("GET", "/nothing/here", 404),
    ("POST", "/", 405),
    ("HEAD", "/pay/{id}", 200),
    ("HEAD", "/healthz", 200),
    ("HEAD", "/api/orders", 405),
    ("GET", "/api/me", 200),
    ("GET", "/api/orders", 200),
    ("GET", "/api/orders/{id}", 200),
    ("GET", "/api/orders/{id}/qr.svg", 200),
    ("GET", "/api/nothing", 404),
    ("GET", "/api/orders/", 404),
    ("DELETE", "/api/orders/{id}", 405),
    ("TRACE", "/api/orders", 405),
    ("BREW", "/api/orders", 405),
    ("GET", "/wechat/notify/pay", 405),
    ("POST", "/wechat/notify/pay", 400),
    ("POST", "/wechat/notify/refundx", 404),
    ("GET", "/ws/orders/{id}", 403),
    ("GET", "/ws/nothing", 404),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/static/js/pay.js", 200),
    ("GET", "/static/js/nothing.js", 404),
    ("POST", "/static/js/pay.js", 405),
)
PAGES: Final = (
    *("/", "/orders/{id}", "/pay/{id}", "/admin", "/docs"),
    *(f"/pay/{UNKNOWN_ID}", "/auth/callback", "/nothing/here"),
)
ASTRAY: Final = (
    "/static/../settings.py",
    "/static/js/../../settings.py",
    "/static/js/..%2f..%2fsettings.py",
    "/static/js/%2e%2e/%2e%2e/settings.py",
    "/static/js/%2e%2e%2f%2e%2e%2fsettings.py",
    "/static/js/%252e%252e/%252e%252e/settings.py",
    "/static/js/..%5c..%5csettings.py",
    "/static/js/..\\..\\settings.py",
    "/static/js/....//....//settings.py",
    "/static/js/%00",
    "/static/js/pay.js%00.txt",
    "/static/js/pay.js%00",
    "/static/js//etc/passwd",
    "/static/js/%2fetc%2fpasswd",
    "/static//etc/passwd",
    "//etc/passwd",
    "/static/js/",
    "/static/js",
    "/static/",
    "/static/pages/pay.html",
    "/static/js/../pages/pay.html",
    "/static/js/%2e%2e/pages/pay.html",
    "/static/PAGES/pay.html",
    "/static/js/~root",
    "/static/js/" + "a" * 5000,
    "/static/js/" + "a/" * 500,
    "/static/js/\u202e.js",
)


async def raw_get(daifu: Daifu, path: str) -> bytes:
    """Ask for exactly these bytes; a client library would tidy the path up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daifu.port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


class TestHeaders:
    async def test_every_answer_says_what_it_is_and_not_what_made_it(
        self, daifu: Daifu, initiator: Person, order_id: str
    ) -> None:
        for method, path, status in ANSWERS:
            answer = await initiator.http.request(method, path.format(id=order_id))
            assert answer.status_code == status, (method, path, answer.status_code)
            assert answer.headers["x-content-type-options"] == "nosniff", (method, path)
            assert answer.headers["server"] == "daifu", (method, path)
            assert "cache-control" in answer.headers, (method, path)
            assert "Tornado" not in answer.text, (method, path)

    async def test_what_is_personal_is_kept_by_no_cache(self, daifu: Daifu, initiator: Person, order_id: str) -> None:
        for method, path, _ in ANSWERS:
            if not path.startswith("/static/") and not path.endswith("qr.svg"):
                answer = await initiator.http.request(method, path.format(id=order_id))
                assert answer.headers["cache-control"] == "no-store", path

    async def test_every_page_allows_our_own_scripts_only(self, daifu: Daifu, initiator: Person, order_id: str) -> None:
        for path in PAGES:
            answer = await initiator.http.get(path.format(id=order_id))
            policy = answer.headers["content-security-policy"]
            rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
            assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
            assert rules["form-action"] == "'none'"
            assert rules["style-src"] == "'self'"
            assert rules["script-src"].split()[0] == "'self'"
            assert not re.search(r"unsafe|\*|http:(?!//127)", policy)
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            # The H5 cashier has to be told from which site the browser comes; of other pages nobody is told anything.
            pays = "strict-origin-when-cross-origin" if path == "/pay/{id}" else "same-origin"
            assert answer.headers["referrer-policy"] == pays

    async def test_no_page_needs_what_its_policy_forbids(self, daifu: Daifu, initiator: Person, order_id: str) -> None:
        for path in PAGES:
            page = (await initiator.http.get(path.format(id=order_id))).text
            assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|<style|javascript:", page, re.IGNORECASE)

    async def test_with_a_real_wechat_the_policy_names_no_other_host_of_scripts(
        self, wechat_control: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        daifu = await start_daifu(
            data_dir=tmp_path / "real",
            wechat_url="https://wechat.invalid",
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            public_url="https://daifu.invalid",
        )
        async with a_client(f"http://127.0.0.1:{daifu.port}") as http:
            answer = await http.get("/nothing")
        await daifu.aclose()
        assert "script-src 'self' https://res.wx.qq.com;" in answer.headers["content-security-policy"]
        assert "connect-src 'self' wss://daifu.invalid;" in answer.headers["content-security-policy"]
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert "_sim" not in answer.text


class TestFiles:
    async def test_everything_a_page_asks_for_is_there(self, daifu: Daifu, initiator: Person, order_id: str) -> None:
        asked: set[str] = set()
        for path in PAGES:
            page = (await initiator.http.get(path.format(id=order_id))).text
            asked |= set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        assert len(asked) > 10
        for path in asked:
            assert (await initiator.http.get(path)).status_code == 200, path

    async def test_nothing_else_is_served(self, daifu: Daifu) -> None:
        for path in ASTRAY:
            answer = await raw_get(daifu, path)
            status = answer[:12]
            assert status in (b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 400"), (path, status)
            for inside in (
                b"root:",
                b"BaseSettings",
                b"{% extends",
                b"Traceback",
                str(ROOT).encode(),
                b"site-packages",
            ):
                assert inside not in answer, path


class TestAnAddressThatIsNone:
    async def test_is_a_page_for_people_and_json_for_programs(self, daifu: Daifu) -> None:
        async with a_client(daifu.url) as http:
            for path in ("/api/", "/api/nothing", "/api/orders/x/y/z", "/ws/x", "/wechat/x", "/static/x"):
                problem(await http.get(path), 404, "not_found")
            for path in ("/x", "/orders/", "/pay/", "/admin.php", "/.env", "/.git/config", "/api"):
                answer = await http.get(path, headers={"Accept-Language": "en"})
                assert answer.status_code == 404
                assert answer.headers["content-type"].startswith("text/html")
                assert "There is nothing at this address." in answer.text

    async def test_an_unknown_method_is_405_in_the_one_shape(self, daifu: Daifu, initiator: Person) -> None:
        for method in ("TRACE", "BREW", "PROPFIND", "PUT", "DELETE", "PATCH"):
            problem(await initiator.http.request(method, "/api/orders"), 405, "method_not_allowed")
        for header in ("X-HTTP-Method-Override", "X-Method-Override"):
            answer = await initiator.http.get("/api/token", headers={header: "POST"})
            problem(answer, 405, "method_not_allowed")


class TestSecrets:
    async def test_are_in_no_answer(
        self,
        daifu: Daifu,
        wechat_control: httpx.AsyncClient,
        initiator: Person,
        friend: Person,
        order_id: str,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        users = (await wechat_control.get("/_sim/users")).json()
        secrets = [SESSION_SECRET, merchant["app_secret"], merchant["api_key"]]
        openids = [user["openid"] for user in users]
        await friend.start_payment(order_id)
        for person in (initiator, friend):
            for method, path, _ in ANSWERS:
                answer = await person.http.request(method, path.format(id=order_id))
                everything = answer.text + str(answer.headers)
                assert not [secret for secret in secrets if secret in everything], path
                assert not [openid for openid in openids if openid in everything], path
        logged = "".join(capfd.readouterr())
        assert not [secret for secret in (*secrets, *openids) if secret in logged]


class TestOperations:
    async def test_health_and_readiness_are_plain(self, daifu: Daifu) -> None:
        async with a_client(daifu.url) as http:
            assert (await http.get("/healthz")).json() == {"status": "ok"}
            assert (await http.get("/readyz")).json() == {"status": "ready"}

    async def test_the_share_code_is_a_picture_of_the_friends_page(
        self, daifu: Daifu, initiator: Person, order_id: str
    ) -> None:
        answer = await initiator.http.get(f"/api/orders/{order_id}/qr.svg")
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert answer.text.startswith("<svg")
        assert "<script" not in answer.text


class TestWords:
    def test_every_error_of_ours_has_its_words_in_both_languages(self) -> None:
        raised = [
            errors.OrderNotFound("o"),
            errors.UnknownAttempt("n"),
            errors.IllegalTransition("o", "PAID", "CloseRequested"),
            errors.OrderNotPayable("o", "PAID"),
            errors.ShareLeased("o", 2000, 1000),
            errors.TooManyAttempts("o", 60),
            errors.AmountMismatch("n", 1, 2),
            errors.PayerMismatch("n"),
            errors.TransactionMismatch("n", "t"),
            errors.RefundTooLarge("n", 2, 1),
            errors.TooManyRefunds("n", 50, 1),
            errors.RefundNotClosed("r", "ABNORMAL"),
            errors.RefundNotStuck("r", "SUCCESS"),
            errors.RefundPaidTwice("r"),
            errors.IdempotencyMismatch(),
            errors.MalformedNotify("r"),
            errors.SignatureProbe(),
            errors.StaleNotify(600),
            errors.UnknownSerial("s"),
            errors.SealBroken(),
            errors.NotifyNotFound("n"),
            errors.DeliveryNotFound("d"),
            errors.MerchantOrderNoTaken("s"),
            errors.WebhookFailed("timeout"),
            errors.NoBill(),
            errors.MalformedBill("r"),
            errors.MerchantMismatch("appid"),
            errors.WeChatUnavailable("c", "r"),
            errors.WeChatRefused("c", "CODE", "m"),
            errors.StaleToken("c", "40001"),
            errors.LoginRefused("state"),
            errors.StoreUnavailable("r"),
            errors.DuplicateOrder("o"),
            errors.StoreCorrupt("w"),
            errors.BadSettings(("c",)),
            RuntimeError("a bug"),
        ]
        kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)}
        leaves = {kind for kind in kinds if not kinds & set(kind.__subclasses__())}
        assert {type(error) for error in raised} - {RuntimeError} == leaves
        for error in raised:
            status, code, detail = describe(error, 500)
            assert 400 <= status < 600
            for language in ("zh-CN", "en"):
                assert "{" not in text(code, language, detail)

    def test_a_nearer_class_comes_before_its_base(self) -> None:
        kinds = [kind for kind, _, _ in STATUS]
        for index, kind in enumerate(kinds):
            assert not any(issubclass(kind, earlier) for earlier in kinds[:index]), kind

    def test_every_word_is_there_in_both_languages(self) -> None:
        for words in (*TEXTS.values(), *REASONS.values()):
            assert words.keys() == {"zh-CN", "en"}
            facts = [set(re.findall(r"{(\w+)}", sentence)) for sentence in words.values()]
            assert facts[0] == facts[1]
