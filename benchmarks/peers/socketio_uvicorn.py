"""
The toy's sockets in python-socketio on uvicorn: a room for each order. Its pages only watch and are told.

A client connects by WebSocket at once, emits `watch` with an order's id and gets `order` with its state, then and
whenever it changes.
"""

import json

import socketio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.toy import HEALTH_PATH, NOTIFY_PATH, OK, REFUSED, Toy, arguments, toy_of

QUIET_S = 3600  # a ping in between would be measured too


class Shop:
    """The routes, and what a socket may say."""

    def __init__(self, toy: Toy, sockets: socketio.AsyncServer) -> None:
        self._toy = toy
        self._sockets = sockets

    async def health(self, request: Request) -> Response:
        return Response(self._toy.health, media_type="application/json")

    async def notify(self, request: Request) -> Response:
        paid = self._toy.settle(await request.body())
        if paid is not None and (frame := self._toy.frame(paid)) is not None:
            await self._sockets.emit("order", json.loads(frame), room=paid)
        return Response(REFUSED if paid is None else OK, media_type="text/xml")

    async def watch(self, sid: str, order: str) -> None:
        frame = self._toy.frame(order)
        if frame is not None:
            await self._sockets.enter_room(sid, order)
            await self._sockets.emit("order", json.loads(frame), to=sid)


def main() -> None:
    given = arguments()
    sockets = socketio.AsyncServer(
        async_mode="asgi", ping_interval=QUIET_S, ping_timeout=QUIET_S, http_compression=False
    )
    shop = Shop(toy_of("socketio_uvicorn", given), sockets)
    sockets.on("watch", shop.watch)
    pages = Starlette(routes=[Route(HEALTH_PATH, shop.health), Route(NOTIFY_PATH, shop.notify, methods=["POST"])])
    uvicorn.run(
        socketio.ASGIApp(sockets, pages),
        host="127.0.0.1",
        port=given.port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="error",
        access_log=False,
    )


if __name__ == "__main__":
    main()
