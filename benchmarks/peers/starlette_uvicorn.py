"""The toy in Starlette on uvicorn, with everything that makes it fast: uvloop, httptools, sans-I/O websockets."""

from collections import defaultdict

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.peers.toy import (
    HEALTH_PATH,
    NOTIFY_PATH,
    OK,
    ORDER_PATH,
    REFUSED,
    WATCH_PATH,
    Toy,
    arguments,
    toy_of,
)


class Shop:
    """The routes."""

    def __init__(self, toy: Toy) -> None:
        self._toy = toy
        self._watchers: defaultdict[str, set[WebSocket]] = defaultdict(set)

    async def health(self, request: Request) -> Response:
        return Response(self._toy.health, media_type="application/json")

    async def notify(self, request: Request) -> Response:
        paid = self._toy.settle(await request.body())
        if paid is not None and (frame := self._toy.frame(paid)) is not None:
            for watch in list(self._watchers.get(paid, ())):
                await watch.send_text(frame)
        return Response(REFUSED if paid is None else OK, media_type="text/xml")

    async def order(self, request: Request) -> Response:
        answer = self._toy.answer(request.path_params["order"])
        return Response(answer or b"{}", 200 if answer is not None else 404, media_type="application/json")

    async def watch(self, socket: WebSocket) -> None:
        order = socket.path_params["order"]
        frame = self._toy.frame(order)
        if frame is None:
            await socket.close()
            return
        await socket.accept()
        self._watchers[order].add(socket)
        try:
            await socket.send_text(frame)
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            self._watchers[order].discard(socket)


def main() -> None:
    given = arguments()
    shop = Shop(toy_of("starlette_uvicorn", given))
    application = Starlette(
        routes=[
            Route(HEALTH_PATH, shop.health),
            Route(NOTIFY_PATH, shop.notify, methods=["POST"]),
            Route(ORDER_PATH + "{order}", shop.order),
            WebSocketRoute(WATCH_PATH + "{order}", shop.watch),
        ]
    )
    uvicorn.run(
        application,
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
