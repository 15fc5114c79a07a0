"""The API's description says what the routes, the errors and the answers are."""

import re
from pathlib import Path
from typing import Final

from tornado.routing import PathMatches, RuleRouter
from tornado.web import Application

from handlers.app import make_app, make_web
from handlers.openapi.document import OPERATIONS, TAGS, openapi_document
from handlers.openapi.operation import PATH_PARAMETERS
from handlers.problems import STATUS
from handlers.texts import TEXTS
from handlers.web import InFlight
from tests.people import a_client
from tests.running import Daifu

ROOT: Final = Path(__file__).resolve().parent.parent.parent
GUIDE: Final = (ROOT / "docs/api.md").read_text(encoding="utf-8")

# Routes that are no operation: pages, the login's way, the socket, WeChat's own protocol.
IN_THE_GUIDE_ALONE: Final = {
    *("/", "/orders/*", "/pay/*", "/docs", "/admin", "/auth/login", "/auth/callback", "/ws/orders/*"),
    *("/wechat/notify/pay", "/wechat/notify/refund", "/wechat/notify/v3"),
}
# The pages' files, those by which WeChat knows the domain, and every address for programs that has no route.
NOWHERE: Final = {"/static/*", "/*", "/*/.*"}


def routes_of(app: Application) -> set[str]:
    """Return the paths of an application, with `*` for what varies."""
    routers = [rule.target for rule in app.default_router.rules if isinstance(rule.target, RuleRouter)]
    matchers = [rule.matcher for router in routers for rule in router.rules]
    patterns = [matcher.regex.pattern for matcher in matchers if isinstance(matcher, PathMatches)]
    return {re.sub(r"\((?:[^()]|\([^()]*\))*\)", "*", pattern).rstrip("$").replace("\\", "") for pattern in patterns}


class TestTheTable:
    async def test_describes_every_route_that_is_public_and_no_other(self, daifu: Daifu) -> None:
        described = {re.sub(r"{\w+}", "*", operation.path) for operation in OPERATIONS}

        assert routes_of(make_app(make_web(daifu.services, InFlight()))) == described | IN_THE_GUIDE_ALONE | NOWHERE

    def test_leaves_out_only_what_the_guide_tells(self) -> None:
        for path in IN_THE_GUIDE_ALONE:
            assert re.search(rf"`(GET |POST )?{re.escape(path.replace('*', '<id>'))}[`?]", GUIDE), path

    def test_describes_nothing_that_the_guide_does_not_name(self) -> None:
        for operation in OPERATIONS:
            pieces = re.split(r"{\w+}\.?", operation.path.removeprefix("/api"))
            assert all(piece in GUIDE for piece in pieces), operation.path

    def test_gives_every_problem_the_status_that_the_code_gives_it(self) -> None:
        statuses = {(status, code) for _, status, code in STATUS} | {(400, "bad_request"), (413, "payload_too_large")}
        for file in (ROOT / "handlers").glob("*.py"):
            raised = re.findall(r'ApiError\((\d+), "(\w+)"', file.read_text(encoding="utf-8"))
            statuses |= {(int(status), code) for status, code in raised}

        told = {(problem.status, problem.code) for operation in OPERATIONS for problem in operation.problems}

        assert told <= statuses

    def test_has_every_error_that_has_words(self) -> None:
        told = {problem.code for operation in OPERATIONS for problem in operation.problems}
        elsewhere = {
            "internal",  # a bug
            "login_snapshot",  # shown as a page
            "method_not_allowed",  # of no operation
        }

        assert told | elsewhere == TEXTS.keys()

    def test_names_everything_once(self) -> None:
        assert len({(operation.method, operation.path) for operation in OPERATIONS}) == len(OPERATIONS)
        assert {operation.tag for operation in OPERATIONS} == TAGS.keys()
        named = {name for operation in OPERATIONS for name in re.findall(r"{(\w+)}", operation.path)}
        assert named == PATH_PARAMETERS.keys()


class TestTheDocument:
    async def test_is_what_anybody_gets(self, daifu: Daifu) -> None:
        async with a_client(daifu.url) as http:
            answer = await http.get("/openapi.json")

        assert answer.json() == openapi_document(
            origin=daifu.url,
            session_cookie="daifu_session",
            guest_cookie="daifu_guest",
            operator_cookie="daifu_operator",
        )
        assert answer.json()["openapi"].startswith("3.1")

    async def test_says_the_limits_that_requests_are_held_to(self, daifu: Daifu) -> None:
        document = openapi_document(
            origin="https://daifu.invalid", session_cookie="s", guest_cookie="g", operator_cookie="o"
        )
        order = document["components"]["schemas"]["CreateOrder"]

        assert order["required"] == ["title", "amount"]
        assert order["additionalProperties"] is False
        assert order["properties"]["title"]["maxLength"] == 60
        assert order["properties"]["shares"]["anyOf"][0]["maximum"] == 50
