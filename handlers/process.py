"""The life of one server process: listen, serve, and go down without losing anybody."""

import asyncio
import math
import os
import random
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

import structlog
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_sockets

from handlers.app import MAX_BODY_BYTES, make_app, make_web
from handlers.front.front import Front
from handlers.front.owner import Limits
from handlers.hot_routes import HotRoutes
from handlers.listener import Listener
from handlers.logs import count_alarms
from handlers.loop_lag import LoopLag
from handlers.operator_socket import OperatorSocket
from handlers.ops import make_metrics_app
from handlers.port import Port
from handlers.web import InFlight
from server.bootstrap import Services, build
from server.bus.presence import REFRESH_S
from server.errors import ConfigError
from server.usecases.forget_old import EVERY_MS
from settings import Settings

MAX_HEADER_BYTES: Final = 16 * 1024
# The kernel would hold some megabytes for each page that stopped reading; a state is a few kilobytes.
SEND_BUFFER_BYTES: Final = 128 * 1024
BACKLOG: Final = 1024  # pages that come back all at once wait here
HEAD_TIMEOUT_S: Final = 10
BODY_TIMEOUT_S: Final = 10
IDLE_TIMEOUT_S: Final = 75
DRAIN_WINDOW_S: Final = 3
DRAIN_STEPS: Final = 30
DRAIN_S: Final = 5
QUIET_S: Final = 0.2
RETURN_WITHIN_MS: Final = 5_000

log = structlog.get_logger()


async def serve(
    settings: Settings,
    *,
    ready: Callable[[], None],
    alive: Callable[[], None] | None = None,
    until_stdin_closes: bool = False,
) -> None:
    """
    Serve until SIGTERM or SIGINT or, if asked, until whoever holds the other end of standard input is gone.

    `ready` is called once the port is open, and from then on `alive` every second, as long as the loop turns.

    Raises:
        ConfigError: The port, a file or a setting is not usable.
    """
    _take_all_files_allowed()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sockets = listen(settings)
    services = await build(settings)
    count_alarms(services.metrics)
    server = Server(services, sockets)
    ready()
    signs_of_life = PeriodicCallback(alive or _keep_quiet, 1000)
    signs_of_life.start()
    if until_stdin_closes:
        loop.add_reader(sys.stdin.fileno(), _hang_up, stop)
    await stop.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)  # a second signal ends at once
    await server.aclose()
    signs_of_life.stop()
    if until_stdin_closes:
        loop.remove_reader(sys.stdin.fileno())


def _keep_quiet() -> None:
    """Nobody asked whether we live."""


def _take_all_files_allowed() -> None:
    """Each page that watches is an open file, and the usual limit of 1,024 is a choice nobody made for a server."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _hang_up(stop: asyncio.Event) -> None:
    """Whoever held the other end of standard input is gone: go down or, if he told us to already, end at once."""
    if os.read(sys.stdin.fileno(), 64):
        return
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    if stop.is_set():
        signal.raise_signal(signal.SIGTERM)
    stop.set()


class Server:
    """One listening server with its services; `aclose` drains it."""

    def __init__(self, services: Services, sockets: list[socket.socket]) -> None:
        self._services = services
        self._in_flight = InFlight()
        self._http = _open_port(services, self._in_flight)
        self._http.add_sockets(sockets)
        self._beats = PeriodicCallback(services.hub.tick, 1000)
        self._beats.start()
        self._presence = PeriodicCallback(services.presence.refresh, REFRESH_S * 1000)
        self._presence.start()
        self._lag = LoopLag(services.metrics)
        self._lag.start()
        self._metrics_http = _serve_metrics(services)
        # Each process does it, at a time of its own: what another one has forgotten already is no work.
        self._tidying = PeriodicCallback(services.forget_old, EVERY_MS, jitter=0.2)
        self._tidying.start()
        # What shares its stores hears of what is changed beside it; who is alone has to change it himself.
        self._operator = OperatorSocket(services) if services.settings.is_alone else None
        services.recorder.start()
        services.outbox.start()
        services.relay.start()
        if services.daily_reconciliation:
            services.daily_reconciliation.start()
        services.stats_keeper.start()
        services.certificates.start()

    async def aclose(self) -> None:
        """Take no more, send watchers to another process, finish what was begun, then let go of the stores."""
        log.info("going_down")
        self._in_flight.is_draining = True
        self._http.take_no_more()
        self._beats.stop()
        self._lag.stop()
        self._tidying.stop()
        self._presence.stop()
        # While the pages leave: one after the other would take longer than we may. What is due from now on, others do.
        relay_ends = asyncio.create_task(self._services.relay.aclose())
        await self._send_watchers_away()
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._until_quiet()
        except TimeoutError:
            log.warning("cut_off", what="requests that took too long")
        await self._http.close_all_connections()
        if self._metrics_http is not None:
            self._metrics_http.stop()
            await self._metrics_http.close_all_connections()
        if self._operator is not None:
            await self._operator.aclose()
        if self._services.daily_reconciliation:
            await self._services.daily_reconciliation.aclose()
        await relay_ends
        await self._services.certificates.aclose()
        await self._services.stats_keeper.aclose()
        await self._services.recorder.aclose()
        await self._services.outbox.aclose()
        await self._services.aclose()

    async def _send_watchers_away(self) -> None:
        """Spread the goodbyes over a window, and give each page a delay of its own: nobody wants them all at once."""
        hub = self._services.hub
        for steps_left in range(DRAIN_STEPS, 0, -1):
            if not len(hub):
                return
            hub.send_away(math.ceil(len(hub) / steps_left), delay_ms=_return_delay_ms)
            await asyncio.sleep(DRAIN_WINDOW_S / DRAIN_STEPS)

    async def _until_quiet(self) -> None:
        """
        Return when every connection has ended, or when those left over were idle for `QUIET_S`.

        A connection that is kept alive must not end while a request is on its way to us, and nobody tells when one is.
        """
        begun = -1
        while self._http.connections and (self._is_busy or begun != self._http.begun):
            begun = self._http.begun
            self._services.hub.send_away(len(self._services.hub), delay_ms=_return_delay_ms)  # late ones
            await asyncio.sleep(QUIET_S)

    @property
    def _is_busy(self) -> bool:
        return bool(self._in_flight.count or self._http.coming_in)


def _open_port(services: Services, in_flight: InFlight) -> Port:
    """Return our end of the port, read by the front that the settings name."""
    web = make_web(services, in_flight)
    app = make_app(web)
    if services.settings.http_front == "fast":
        return Front(
            HotRoutes(app, web),
            Limits(
                max_head_bytes=MAX_HEADER_BYTES,
                max_body_bytes=MAX_BODY_BYTES,
                head_timeout_s=HEAD_TIMEOUT_S,
                body_timeout_s=BODY_TIMEOUT_S,
                idle_timeout_s=IDLE_TIMEOUT_S,
            ),
        )
    return Listener(
        app,
        max_body_size=MAX_BODY_BYTES,
        max_header_size=MAX_HEADER_BYTES,
        body_timeout=BODY_TIMEOUT_S,
        idle_connection_timeout=IDLE_TIMEOUT_S,
    )


def _serve_metrics(services: Services) -> HTTPServer | None:
    """
    Listen on METRICS_PORT, if there is one.

    Raises:
        ConfigError: The port is taken.
    """
    settings = services.settings
    if not settings.metrics_port:
        return None
    server = HTTPServer(make_metrics_app(services.metrics), idle_connection_timeout=IDLE_TIMEOUT_S)
    try:
        server.listen(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        where = f"METRICS_PORT {settings.metrics_port} on METRICS_HOST {settings.metrics_host}"
        raise ConfigError(f"{where} cannot be opened: {error.strerror}") from error
    return server


def _return_delay_ms() -> int:
    """Return how long a page that was sent away is to wait, each its own time."""
    return random.randrange(RETURN_WITHIN_MS)


def listen(settings: Settings) -> list[socket.socket]:
    """
    Return sockets on the settings' port, shared with the other processes if there are to be several.

    Raises:
        ConfigError: The port is taken.
    """
    try:
        sockets = bind_sockets(settings.port, settings.host, backlog=BACKLOG, reuse_port=settings.processes > 1)
    except OSError as error:
        raise ConfigError(f"PORT {settings.port} on HOST {settings.host} cannot be opened: {error.strerror}") from error
    for each in sockets:  # connections inherit it
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return sockets
