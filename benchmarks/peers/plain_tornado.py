"""The toy in plain Tornado: RequestHandler, WebSocketHandler, asyncio's own loop."""

import asyncio
from collections import defaultdict

from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

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

Watchers = defaultdict[str, set["Watch"]]


class Handler(RequestHandler):
    def initialize(self, toy: Toy, watchers: Watchers) -> None:
        self.toy, self.watchers = toy, watchers


class Health(Handler):
    def get(self) -> None:
        self.finish(self.toy.health)


class Notify(Handler):
    async def post(self) -> None:
        paid = self.toy.settle(self.request.body)
        if paid is not None and (frame := self.toy.frame(paid)) is not None:
            for watch in self.watchers.get(paid, ()):
                watch.write_message(frame)
        self.set_header("Content-Type", "text/xml")
        self.finish(REFUSED if paid is None else OK)


class Order(Handler):
    def get(self, order: str) -> None:
        answer = self.toy.answer(order)
        self.set_status(200 if answer is not None else 404)
        self.set_header("Content-Type", "application/json")
        self.finish(answer or b"{}")


class Watch(WebSocketHandler):
    def initialize(self, toy: Toy, watchers: Watchers) -> None:
        self.toy, self.watchers = toy, watchers
        self.order = ""

    def open(self, *args: str, **kwargs: str) -> None:
        self.order = args[0]
        frame = self.toy.frame(self.order)
        if frame is None:
            self.close()
            return
        self.watchers[self.order].add(self)
        self.write_message(frame)

    def on_close(self) -> None:
        self.watchers[self.order].discard(self)


def _keep_quiet(handler: RequestHandler) -> None:
    """The others log no requests either."""


def make_app(toy: Toy) -> Application:
    """Return the application of this toy."""
    watchers: Watchers = defaultdict(set)
    parts = {"toy": toy, "watchers": watchers}
    return Application(
        [
            (HEALTH_PATH, Health, parts),
            (NOTIFY_PATH, Notify, parts),
            (ORDER_PATH + "(.+)", Order, parts),
            (WATCH_PATH + "(.+)", Watch, parts),
        ],
        log_function=_keep_quiet,
    )


async def main() -> None:
    given = arguments()
    make_app(toy_of("plain_tornado", given)).listen(given.port, "127.0.0.1", backlog=1024)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
