"""
The whole story in a terminal: an order, a friend's payment, the live push.

It starts daifu as a newcomer would and then plays both people over public addresses only: plain HTTP and a WebSocket.
"""

import asyncio
import json
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import httpx
from rich.console import Console
from rich.text import Text
from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

RUN: Final = Path(__file__).resolve().parent.parent / "run.py"
PATIENCE_S: Final = 15
INITIATOR: Final = "小红"
FRIEND: Final = "小明"


class Story:
    """Prints each step with the time since the start."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = time.monotonic()

    def tell(self, who: str, what: str) -> None:
        line = Text(f"{time.monotonic() - self._began_s:7.3f} s  ", style="dim")
        line.append(f"{who:<10}", style="bold green" if who == "WeChat" else "bold")
        line.append(what)
        self._console.print(line, soft_wrap=True)


class Person:
    """One person with a browser of his own."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self._url = url
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE_S)

    async def log_in(self, next_path: str = "/") -> None:
        """Go through WeChat's login as a browser does, choosing who to be by name; the first time he tells it too."""
        answer = await self._http.get("/auth/login", params={"next": next_path})
        while "/connect/oauth2/authorize" in answer.headers.get("location", ""):
            back = await self._http.get(answer.headers["location"].split("#")[0] + "&persona=" + self.name)
            answer = await self._http.get(back.headers["location"])
        if answer.status_code != httpx.codes.FOUND:
            raise RuntimeError(f"{self.name} could not log in: {answer.status_code}")

    async def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await self._http.post(path, json=body, headers={"Accept-Language": "en"})
        value: dict[str, Any] = answer.json()
        if answer.is_error:
            raise RuntimeError(value["error"]["message"])
        return value

    async def watch(self, order_id: str) -> WebSocketClientConnection:
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._http.cookies.jar)
        headers = {"Origin": self._url, "Cookie": cookies}
        url = urljoin(self._url, f"/ws/orders/{order_id}").replace("http", "ws", 1)
        return await websocket_connect(HTTPRequest(url, headers=headers))

    async def aclose(self) -> None:
        await self._http.aclose()


async def play() -> int:
    """Play it; return the exit code."""
    console = Console()
    story = Story(console)
    try:
        async with asyncio.timeout(60), _daifu() as (url, wechat_url):
            story.tell("daifu", f"is up at {url}, the simulated WeChat at {wechat_url}")
            took_ms = await _play(story, url, wechat_url)
    except (RuntimeError, TimeoutError, OSError, httpx.HTTPError) as error:
        console.print(f"[red]The demo did not get through:[/] {error or type(error).__name__}")
        return 1
    console.print(f"\nnotify received → on the initiator's socket: [bold]{took_ms:.1f} ms[/]")
    return 0


async def _play(story: Story, url: str, wechat_url: str) -> float:
    initiator, friend = Person(INITIATOR, url), Person(FRIEND, url)
    async with httpx.AsyncClient(base_url=wechat_url, trust_env=False) as wechat:
        try:
            await initiator.log_in()
            story.tell(INITIATOR, "logs in with WeChat")
            order = (await initiator.post("/api/orders", {"title": "奶茶 Bubble tea", "amount": 1800}))["order"]
            order_id = order["order_id"]
            story.tell(INITIATOR, f"asks for ¥18.00: {order['title']}")
            socket_ = await initiator.watch(order_id)
            first = await _next_state(socket_)
            story.tell(INITIATOR, f"watches the order: {first['order']['state']}, rev {first['rev']}")

            await friend.log_in(f"/pay/{order_id}")
            story.tell(FRIEND, f"opens the link {url}/pay/{order_id}")
            started = await friend.post(f"/api/orders/{order_id}/payments", {"trade_type": "JSAPI"})
            out_trade_no = started["payment"]["out_trade_no"]
            story.tell(FRIEND, f"presses pay; WeChat gave {started['params']['package'][:24]}…")
            paying = await _next_state(socket_)
            story.tell(INITIATOR, f"sees at once: {paying['order']['payments'][0]['payer']['name']} is paying")

            story.tell(FRIEND, "confirms in WeChat's cashier")
            answer = await wechat.post("/_sim/pay", json={"out_trade_no": out_trade_no, "outcome": "ok"})
            answer.raise_for_status()
            paid = await _next_state(socket_)
            arrived_ms = time.time_ns() / 1e6
            while paid["order"]["state"] != "PAID":
                paid = await _next_state(socket_)
            notify = await _notify(wechat, out_trade_no)
            took_ms = notify["answered_at_ms"] - notify["sent_at_ms"]
            story.tell(
                "WeChat",
                f"posted its notify; daifu stored the payment and answered {notify['answer']} in {took_ms:.1f} ms",
            )
            name = paid["order"]["payments"][0]["payer"]["name"]
            story.tell(
                INITIATOR,
                f"sees without a reload: {name} has paid for you ({paid['order']['state']}, rev {paid['rev']})",
            )
            socket_.close()
            return float(arrived_ms - notify["sent_at_ms"])
        finally:
            await initiator.aclose()
            await friend.aclose()


async def _next_state(connection: WebSocketClientConnection) -> dict[str, Any]:
    while True:
        message = await asyncio.wait_for(connection.read_message(), PATIENCE_S)
        if message is None:
            raise RuntimeError("the watch socket was closed")
        frame: dict[str, Any] = json.loads(message)
        if frame["type"] == "order":
            return frame


async def _notify(wechat: httpx.AsyncClient, out_trade_no: str) -> dict[str, Any]:
    """Return what WeChat noted of the notify that was answered with SUCCESS; its note follows the answer."""
    while True:
        calls = (await wechat.get("/_sim/calls")).json()
        for notify in calls["notifies"]:
            if notify["out_trade_no"] == out_trade_no and notify["answer"] == "SUCCESS":
                return dict(notify)
        await asyncio.sleep(0.01)


@asynccontextmanager
async def _daifu() -> AsyncIterator[tuple[str, str]]:
    """Start `run.py serve` on free ports with files of its own; end it afterwards."""
    port = _free_pair_of_ports()
    with tempfile.TemporaryDirectory(prefix="daifu-demo-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(RUN), "serve", "--port", str(port), "--data-dir", folder),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_ready(url, process)
            yield url, f"http://127.0.0.1:{port + 1}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _until_ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        while process.returncode is None:
            try:
                await http.get(f"{url}/readyz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
    raise RuntimeError("daifu did not start; `python run.py` says why")


def _free_pair_of_ports() -> int:
    """Return a port that is free together with the one above it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
