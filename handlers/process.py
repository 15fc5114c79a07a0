"""The life of one server process: listen, serve, and go down without losing anybody."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Final

import structlog
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets

from handlers.app import MAX_BODY_BYTES, make_app
from handlers.base import InFlight
from server.bootstrap import Services, build
from server.errors import ConfigError
from settings import Settings

MAX_HEADER_BYTES: Final = 16 * 1024
BODY_TIMEOUT_S: Final = 10
IDLE_TIMEOUT_S: Final = 75
DRAIN_S: Final = 8

log = structlog.get_logger()


async def serve(settings: Settings, *, ready: Callable[[Services], None]) -> None:
    """
    Serve until SIGTERM or SIGINT; `ready` is called once the port is open.

    Raises:
        ConfigError: The port, a file or a setting is not usable.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sockets = listen(settings)
    services = await build(settings)
    server = Server(services, sockets)
    ready(services)
    await stop.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends at once
    await server.aclose()


class Server:
    """One listening server with its services; `aclose` drains it."""

    def __init__(self, services: Services, sockets: list[socket.socket]) -> None:
        self._services = services
        self._in_flight = InFlight()
        self._http = HTTPServer(
            make_app(services, self._in_flight),
            max_body_size=MAX_BODY_BYTES,
            max_header_size=MAX_HEADER_BYTES,
            body_timeout=BODY_TIMEOUT_S,
            idle_connection_timeout=IDLE_TIMEOUT_S,
        )
        self._http.add_sockets(sockets)
        self._beats = PeriodicCallback(services.hub.tick, 1000)
        self._beats.start()

    async def aclose(self) -> None:
        """Take no more, send watchers to another process, finish what was begun, then let go of the stores."""
        log.info("going_down")
        self._http.stop()
        self._beats.stop()
        self._services.hub.close_all()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._in_flight.idle.wait()
        except TimeoutError:
            log.warning("cut_off", what="requests that took too long")
        await self._http.close_all_connections()
        await self._services.aclose()


def listen(settings: Settings) -> list[socket.socket]:
    try:
        return bind_sockets(settings.port, settings.host)
    except OSError as error:
        raise ConfigError(f"PORT {settings.port} on HOST {settings.host} cannot be opened: {error.strerror}") from error


def configure_logs(log_format: str) -> None:
    """One event a line on standard error, for people or as JSON; libraries speak only of trouble."""
    # Plain tracebacks: a value of a local variable may be a key or an openid.
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format == "json"
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for noisy in ("httpx", "httpcore", "asyncio", "tornado.access", "tornado.general"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
