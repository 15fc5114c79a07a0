"""
The operator's way to a running server: a Unix socket in its data folder, for the user it runs as and nobody else.

Where one process keeps the orders in a file and the news to itself, nobody can change an order beside it. The command
line then has the server do it. Whoever may open the socket may read the orders' file anyhow, so no password is asked.
"""

from contextlib import suppress
from typing import Final

import structlog
from msgspec import MsgspecError, json
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from handlers.operator import Answer, Asked, Progress, Refusal, carry_out
from server.bootstrap import Services

SOCKET_FILE: Final = "operator.sock"  # in DATA_DIR
_MAX_BODY_BYTES: Final = 64 * 1024

_asked: Final = json.Decoder(Asked)
_log = structlog.get_logger()


class OperatorHandler(RequestHandler):
    """
    POST / with a request as JSON. The answer is a line of JSON too, refusals included; lines before it tell how far the
    work has come.
    """

    def initialize(self, services: Services) -> None:
        self._services = services

    async def post(self) -> None:
        self.set_header("Content-Type", "application/x-ndjson; charset=utf-8")
        try:
            asked = _asked.decode(self.request.body)
        except MsgspecError:
            self.finish(_line(Refusal("the running daifu does not know this command: it is another version")))
            return
        _log.info("operator_asked", asked=json.encode(asked).decode())
        self.finish(_line(await carry_out(asked, self._services, told=self._tell)))

    def _tell(self, stage: str, done: int, total: int) -> None:
        self.write(_line(Progress(stage, done, total)))
        self.flush()  # nobody has to wait for it: whoever asked may have gone, and the work goes on


class OperatorSocket:
    """Listens from its making to `aclose`."""

    def __init__(self, services: Services) -> None:
        self._path = services.settings.data_dir / SOCKET_FILE
        self._http = HTTPServer(
            Application([(r"/", OperatorHandler, {"services": services})], log_function=_no_access_log),
            max_body_size=_MAX_BODY_BYTES,
        )
        try:
            self._http.add_socket(bind_unix_socket(str(self._path)))
        except (
            OSError,
            ValueError,
        ) as error:  # a path of more than a hundred bytes, for one; nobody's payment needs it
            _log.warning("operator_socket_not_opened", path=str(self._path), reason=str(error))

    async def aclose(self) -> None:
        self._http.stop()
        await self._http.close_all_connections()
        with suppress(OSError):
            self._path.unlink()


def _line(said: Answer | Progress) -> bytes:
    return json.encode(said) + b"\n"


def _no_access_log(handler: RequestHandler) -> None:
    """What was asked is logged where it is done."""
