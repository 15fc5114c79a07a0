"""
The bus of many processes, on Redis pub/sub.

Redis is only ever a hint. Whatever it loses is read from the store: after every (re)subscription, every two seconds
while nothing comes through, and slowly all the time, because somebody else's message may have been lost on his side.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import structlog

from server.bus.hub import Hub
from server.bus.news import ORDER_CHANNEL, BadNews, channel_of, read_news, write_news, write_visit
from server.bus.publisher import Publisher
from server.bus.reader import Reader
from server.bus.subscriber import Subscriber
from server.domain.document import Order
from server.metrics import Metrics
from server.ports import Store
from server.redis.pipe import RedisPipe
from server.tasks import end

CANARY_CHANNEL: Final = "daifu:canary:"

log = structlog.get_logger()


@dataclass(frozen=True)
class BusTimes:
    """
    In seconds: how often a canary is sent, after how long without one all watched orders are read again (and how
    often), after how long the process is deaf, and how long one round of reading them all takes in quiet times.

    A change is at most `doubt_s + reread_s` late on a process that hears nothing.
    """

    canary_s: float = 3.0
    doubt_s: float = 6.0
    reread_s: float = 2.0
    deaf_s: float = 10.0
    round_s: float = 30.0


ROUND_SLICES: Final = 30


class RedisBus:
    """Fills ports.Bus, hub.Interest and subscriber.Listener. Belongs to the event loop it was opened on."""

    def __init__(
        self,
        url: str,
        *,
        pipe: RedisPipe,
        hub: Hub,
        store: Store,
        times: BusTimes,
        metrics: Metrics,
    ) -> None:
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._hub = hub
        self._times = times
        self._canary_channel = CANARY_CHANNEL + secrets.token_hex(8)
        self._canaries = 0
        self._heard_until_s = self._loop.time()  # what was said before this has come through
        self._was_doubtful = False
        self._slice = 0
        self.bad_messages = 0
        self.stale_messages = 0
        self.reader = Reader(store=store, hub=hub)
        self.publisher = Publisher(pipe)
        self.subscriber = Subscriber(url, self)
        self._pipe = pipe
        self.subscriber.add(self._canary_channel)
        for order_id in hub.watched:
            self.begin(order_id)
        hub.report_to(self)
        self._send_canary()
        self._tasks = [
            self._loop.create_task(_every(times.canary_s, self._send_canary), name="daifu-canary"),
            self._loop.create_task(_every(times.reread_s, self._read_if_doubtful), name="daifu-doubt"),
            self._loop.create_task(_every(times.round_s / ROUND_SLICES, self._read_a_slice), name="daifu-round"),
        ]

    @classmethod
    async def open(
        cls, url: str, *, hub: Hub, store: Store, times: BusTimes | None = None, metrics: Metrics | None = None
    ) -> Self:
        """Connect, or go on trying: a Redis that is down keeps nobody from paying."""
        pipe = await RedisPipe.open(url, name="daifu-publisher")
        return cls(url, pipe=pipe, hub=hub, store=store, times=times or BusTimes(), metrics=metrics or Metrics())

    @property
    def is_deaf(self) -> bool:
        return self._silent_s > self._times.deaf_s

    async def publish(self, order: Order) -> None:
        self._hub.offer(order)  # our own watchers never wait for Redis
        self.publisher.put(channel_of(order.order_id), order.rev, write_news(order))

    async def publish_visit(self, order_id: str) -> None:
        self._hub.visited([order_id])
        self.publisher.put(channel_of(order_id), 0, write_visit(order_id), kind="visit")

    async def aclose(self) -> None:
        await end(self._tasks)
        await self.subscriber.aclose()
        await self.reader.aclose()
        await self.publisher.aclose()
        await self._pipe.aclose()

    def begin(self, order_id: str) -> None:
        self.subscriber.add(channel_of(order_id))

    def end(self, order_id: str) -> None:
        self.subscriber.remove(channel_of(order_id))

    def on_subscribed(self, channels: Sequence[str]) -> None:
        self.reader.ask(c.removeprefix(ORDER_CHANNEL) for c in channels if c.startswith(ORDER_CHANNEL))

    def on_message(self, channel: str, payload: bytes) -> None:
        try:
            if channel == self._canary_channel:
                self._hear_canary(payload)
            else:
                self._take_news(channel, payload)
        except BadNews:
            self.bad_messages += 1

    def _take_news(self, channel: str, payload: bytes) -> None:
        news = read_news(channel, payload)
        if news.visited:
            self._hub.visited([news.order_id])
            return
        if not self._hub.is_news(news.order_id, news.rev):
            self.stale_messages += 1
            return
        order = news.order()
        if order is None:
            self.reader.ask([news.order_id])
        else:
            self._hub.offer(order)

    @property
    def _silent_s(self) -> float:
        return self._loop.time() - self._heard_until_s

    @property
    def _is_doubtful(self) -> bool:
        return not self.subscriber.is_subscribed or self._silent_s > self._times.doubt_s

    def _send_canary(self) -> None:
        self._canaries += 1
        self.publisher.put(self._canary_channel, self._canaries, repr(self._loop.time()).encode())

    def _hear_canary(self, payload: bytes) -> None:
        """A canary says when it was sent, so that one held up for long does not count as hearing well."""
        try:
            sent_at_s = float(payload)
        except ValueError as error:
            raise BadNews from error
        if not sent_at_s <= self._loop.time():
            raise BadNews
        self._metrics.canary_seconds.observe(self._loop.time() - sent_at_s)
        self._heard_until_s = max(self._heard_until_s, sent_at_s)

    def _read_if_doubtful(self) -> None:
        is_doubtful = self._is_doubtful
        if is_doubtful != self._was_doubtful:
            log.warning("bus_in_doubt" if is_doubtful else "bus_heard_again", watched=len(self._hub.watched))
        if is_doubtful or self._was_doubtful:  # once more when it is over
            self.reader.ask(self._hub.watched)
        self._was_doubtful = is_doubtful

    def _read_a_slice(self) -> None:
        self._slice = (self._slice + 1) % ROUND_SLICES
        self.reader.ask(i for i in self._hub.watched if hash(i) % ROUND_SLICES == self._slice)


async def _every(period_s: float, action: Callable[[], None]) -> None:
    while True:
        await asyncio.sleep(period_s)
        try:
            action()
        except Exception:
            # A bug in one round must not end the rounds.
            log.exception("bus_round_failed", round=action.__name__)
