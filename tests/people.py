"""People with phones: each has cookies of his own and knows daifu by its public addresses only."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

import httpx
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

PATIENCE_S = 10


def a_client(url: str, *, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    """Return a client without cookies. Loopback has no TLS, and loading certificates costs more than most tests."""
    return httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=PATIENCE_S, verify=False)


class Person:
    """A browser in WeChat, without the screen."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.http = a_client(url, headers={"Accept-Language": "en"})
        self._pages: list[Page] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for page in self._pages:
            page.close()
        await self.http.aclose()

    async def log_in(self, next_path: str = "/") -> httpx.Response:
        """Log in through WeChat, choosing who to be by name and telling it; return what the last callback answers."""
        answer = await self.http.get("/auth/login", params={"next": next_path})
        while is_wechats_login(answer):
            answer = await self.http.get(await self.come_back(answer))
        return answer

    async def come_back(self, away: httpx.Response, how: str = "") -> str:
        """Follow an answer to WeChat's login; return the address WeChat sends the browser to."""
        authorize = away.headers["location"].split("#")[0]
        back = await self.http.get(f"{authorize}&{how or f'persona={self.name}'}")
        return str(back.headers["location"])

    async def place_order(self, **fields: Any) -> dict[str, Any]:
        """Create an order; return it."""
        answer = await self.http.post("/api/orders", json={"title": "奶茶", "amount": 1800, **fields})
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()["order"]
        return order

    async def read_order(self, order_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()["order"]
        return order

    async def press_pay(self, order_id: str) -> httpx.Response:
        return await self.http.post(f"/api/orders/{order_id}/payments", json={"trade_type": "JSAPI"})

    async def start_payment(self, order_id: str) -> str:
        """Press pay; return the attempt's out_trade_no."""
        answer = await self.press_pay(order_id)
        assert answer.status_code == 201, answer.text
        out_trade_no: str = answer.json()["payment"]["out_trade_no"]
        return out_trade_no

    async def confirm(self, order_id: str, out_trade_no: str) -> httpx.Response:
        return await self.http.post(f"/api/orders/{order_id}/payments/{out_trade_no}/confirm", json={})

    async def watch(self, order_id: str, **headers: str) -> "Page":
        """Open the order's watch socket as this person's page does."""
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        page = await open_page(self.url, order_id, {"Origin": self.url, "Cookie": cookies, **headers})
        self._pages.append(page)
        return page


def is_wechats_login(answer: httpx.Response) -> bool:
    """Does this answer send the browser to WeChat's login page?"""
    return "/connect/oauth2/authorize" in answer.headers.get("location", "")


class Page:
    """A page's end of the watch socket."""

    def __init__(self, connection: WebSocketClientConnection) -> None:
        self.connection = connection

    async def next_frame(self) -> dict[str, Any] | None:
        """Return the next frame, None once the server has closed."""
        message = await asyncio.wait_for(self.connection.read_message(), PATIENCE_S)
        return None if message is None else json.loads(message)

    async def next_state(self) -> dict[str, Any]:
        """Return the next order frame, past any beats."""
        while True:
            frame = await self.next_frame()
            assert frame is not None, f"closed: {self.connection.close_code} {self.connection.close_reason}"
            if frame["type"] == "order":
                return frame

    async def until_state(self, state: str) -> list[dict[str, Any]]:
        """Return the order frames up to the first in this state."""
        frames = [await self.next_state()]
        while frames[-1]["order"]["state"] != state:
            frames.append(await self.next_state())
        return frames

    async def close_code(self) -> int | None:
        """Read until the server closes; return its code."""
        while await self.next_frame() is not None:
            pass
        self.close()
        return self.connection.close_code

    def close(self) -> None:
        self.connection.close()


async def open_page(url: str, order_id: str, headers: dict[str, str]) -> Page:
    address = f"{url}/ws/orders/{order_id}".replace("http", "ws", 1)
    return Page(await websocket_connect(HTTPRequest(address, headers=headers)))
