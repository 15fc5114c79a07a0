"""What a connection needs of whoever has it: limits, a buffer, the application."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from tornado.httputil import HTTPMessageDelegate

if TYPE_CHECKING:
    from handlers.front.channel import FrontChannel
    from handlers.front.connection import Connection
    from handlers.front.exchange import Exchange


class Limits(NamedTuple):
    """What one connection may cost. Times run from when the phase began: no byte that drips in lengthens them."""

    max_head_bytes: int
    max_body_bytes: int
    head_timeout_s: float
    body_timeout_s: float
    idle_timeout_s: float
    linger_s: float = 2.0


class Peer(NamedTuple):
    """Who is at the other end, under the names HTTPServerRequest reads."""

    remote_ip: str
    protocol: str = "http"


class Owner(Protocol):
    """Who has many connections."""

    limits: Limits
    buffer: bytearray
    """Bytes are received into this one and taken out at once: connections share it."""
    begun: int
    is_taking_no_more: bool

    def now_s(self) -> float: ...

    def start_request(self, connection: "Connection", exchange: "Exchange") -> HTTPMessageDelegate: ...

    def welcome(self, connection: "Connection") -> bool: ...

    def forget(self, connection: "Connection") -> None: ...

    def keep_channel(self, channel: "FrontChannel") -> None: ...

    def forget_channel(self, channel: "FrontChannel") -> None: ...
