"""daifu inside the test's own process and loop: every part real, on a free port."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tornado.netutil import bind_sockets

from handlers.process import Server
from server.bootstrap import Services, build
from settings import load_settings

SESSION_SECRET = "a session secret for tests and nothing else"

# The secrets of the daifu that was started last, by setting.
PLANTED: dict[str, str] = {}


@dataclass
class Daifu:
    """A running server."""

    url: str
    port: int
    services: Services
    server: Server

    async def aclose(self) -> None:
        await self.server.aclose()


class ShiftedClock:
    """Wall time, moved on by `ahead_ms`."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


async def start_daifu(
    *,
    data_dir: Path,
    wechat_url: str,
    merchant: dict[str, str],
    parts: Callable[[Services], Services] = lambda services: services,
    send_buffer_bytes: int = 0,
    on_port: int = 0,
    **settings: Any,
) -> Daifu:
    """
    Start daifu with these credentials of a simulated WeChat's merchant.

    Args:
        parts: Returns the services with those replaced that the test brings itself, such as a clock.
        send_buffer_bytes: How much the kernel may hold for one client that does not read; 0 for its own choice.
        on_port: Where to listen; 0 for any free port.
    """
    sockets = bind_sockets(on_port, "127.0.0.1")
    if send_buffer_bytes:
        sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    port = sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    services = await build(
        load_settings(
            **{
                "_env_file": None,
                "port": min(port, 65534),
                "public_url": url,
                "data_dir": data_dir,
                "session_secrets": SESSION_SECRET,
                "wechat_appid": merchant["appid"],
                "wechat_app_secret": merchant["app_secret"],
                "wechat_mchid": merchant["mch_id"],
                "wechat_api_keys": merchant["api_key"],
                "wechat_base_urls": wechat_url,
                **({"http_front": os.environ["DAIFU_FRONT"]} if "DAIFU_FRONT" in os.environ else {}),
                **settings,
            }
        )
    )
    PLANTED.update(
        SESSION_SECRETS=SESSION_SECRET, WECHAT_APP_SECRET=merchant["app_secret"], WECHAT_API_KEYS=merchant["api_key"]
    )
    services = parts(services)
    return Daifu(url, port, services, Server(services, sockets))
