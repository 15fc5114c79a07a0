"""Tornado's own HTTP server as our end of the port."""

import resource
from contextlib import suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream

from handlers.port import RESERVED_FILES


class Listener(HTTPServer):
    """Fills `port.Port`: it can be closed without cutting anybody off."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self._connected: set[object] = set()
        self.begun = 0
        self.coming_in = 0

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        # The kernel gives the lowest number that is free, so one this high says that nearly all are taken. The rest is
        # kept for the stores and for WeChat: without it every accept would fail, and spin.
        if stream.socket.fileno() >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_FILES:
            stream.close()
            return
        super().handle_stream(stream, address)

    @property
    def connections(self) -> int:
        return len(self._connected)

    def take_no_more(self) -> None:
        for listening in self._sockets.values():
            # Connected, but not accepted yet: closing the port would reset them.
            with suppress(OSError):
                while True:
                    connection, address = listening.accept()
                    self.handle_stream(IOStream(connection), address)
        self.stop()
        self.conn_params.no_keep_alive = True

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        self._connected.add(server_conn)
        return _Incoming(super().start_request(server_conn, request_conn), self)

    def on_close(self, server_conn: object) -> None:
        self._connected.discard(server_conn)
        super().on_close(server_conn)


class _Incoming(HTTPMessageDelegate):
    """Counts one request while it comes in."""

    def __init__(self, application: HTTPMessageDelegate, listener: Listener) -> None:
        self._application = application
        self._listener = listener
        self._has_begun = False

    def headers_received(self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders) -> Any:
        self._has_begun = True
        self._listener.begun += 1
        self._listener.coming_in += 1
        return self._application.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        return self._application.data_received(chunk)

    def finish(self) -> None:
        self._end()
        self._application.finish()

    def on_connection_close(self) -> None:
        self._end()
        self._application.on_connection_close()

    def _end(self) -> None:
        # A request that broke may be ended twice: by what broke it, and by the end of its connection.
        if self._has_begun:
            self._has_begun = False
            self._listener.coming_in -= 1
