"""The toy in aiohttp on uvloop."""

from collections import defaultdict

import uvloop
from aiohttp import web

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
        self._watchers: defaultdict[str, set[web.WebSocketResponse]] = defaultdict(set)

    async def health(self, request: web.Request) -> web.Response:
        return web.Response(body=self._toy.health, content_type="application/json")

    async def notify(self, request: web.Request) -> web.Response:
        paid = self._toy.settle(await request.read())
        if paid is not None and (frame := self._toy.frame(paid)) is not None:
            for watch in list(self._watchers.get(paid, ())):
                await watch.send_str(frame)
        return web.Response(body=REFUSED if paid is None else OK, content_type="text/xml")

    async def order(self, request: web.Request) -> web.Response:
        answer = self._toy.answer(request.match_info["order"])
        status = 200 if answer is not None else 404
        return web.Response(body=answer or b"{}", status=status, content_type="application/json")

    async def watch(self, request: web.Request) -> web.StreamResponse:
        order = request.match_info["order"]
        frame = self._toy.frame(order)
        if frame is None:
            raise web.HTTPNotFound
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._watchers[order].add(socket)
        try:
            await socket.send_str(frame)
            async for _ in socket:
                pass
        finally:
            self._watchers[order].discard(socket)
        return socket


def main() -> None:
    given = arguments()
    shop = Shop(toy_of("aiohttp_uvloop", given))
    application = web.Application()
    application.router.add_get(HEALTH_PATH, shop.health)
    application.router.add_post(NOTIFY_PATH, shop.notify)
    application.router.add_get(ORDER_PATH + "{order}", shop.order)
    application.router.add_get(WATCH_PATH + "{order}", shop.watch)
    loop = uvloop.new_event_loop()
    web.run_app(application, host="127.0.0.1", port=given.port, access_log=None, print=None, loop=loop, backlog=1024)


if __name__ == "__main__":
    main()
