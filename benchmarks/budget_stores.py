"""The rows of the budget that hold daifu against itself: batched or not, with a grown store, with many pages."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import islice
from typing import Final

from benchmarks import measures
from benchmarks.budget_sizes import PACE
from benchmarks.contestant import Contestant
from benchmarks.daifu_process import RUN, UNBATCHED
from benchmarks.machine import beside_the_server
from benchmarks.measures import Measured
from benchmarks.ratios import Asked, AtLeast, AtMost, Outcome
from benchmarks.raw_pages import RawPages, some_raw_pages
from benchmarks.stats import a_grown_store
from benchmarks.turns import Bench, compared
from tests.redis_server import RedisServer
from tests.stores.wire_server import WireServer

BATCHED: Final = "MongoDB + Redis: CPU per settled notify"


async def mongo_rows(bench: Bench) -> AsyncIterator[Outcome]:
    """Yield what batching saves: two servers on one MongoDB and one Redis, each with a database of its own."""
    count = bench.sizes.mongo_notifies
    orders = count * (bench.sizes.slices + 1)
    async with AsyncExitStack() as stack:
        redis, mongo = RedisServer(), WireServer(bench.folder / "mongo")
        with beside_the_server():
            redis.start()
            stack.callback(redis.kill)
            mongo.start()
            stack.callback(mongo.stop)
        rivals = []
        for name, program in (("batched", RUN), ("one by one", UNBATCHED)):
            database = name.replace(" ", "-")
            told = {"MONGODB_URL": f"{mongo.url}/{database}", "REDIS_URL": redis.url}
            server = bench.shop.daifu(bench.folder / database, name, orders=orders, settings=told, program=program)
            rivals.append(await stack.enter_async_context(server))
        turns = bench.turns(BATCHED, rivals, partial(measures.cpu_ms_a_notify, count=count))
        yield compared(Asked(BATCHED, "the same without batching", AtMost(0.5)), turns, *rivals)


async def growth_rows(bench: Bench) -> AsyncIterator[Outcome]:
    """Yield what a store a hundred times as large costs, and then a hundred times as many pages."""
    small, large = bench.sizes.grown_orders
    few, many = bench.sizes.grown_pages
    needed = bench.sizes.orders * 2 + many
    async with AsyncExitStack() as stack:
        rivals = []
        for orders in (large, small):
            named = bench.shop.daifu(
                bench.folder / f"grown-{orders}",
                f"{orders:,} orders",
                orders=needed,
                grow=partial(a_grown_store, orders=orders),
            )
            rivals.append(await stack.enter_async_context(named))
        grown, fresh = rivals
        for outcome in _grown(bench, f"store grown from {small:,} to {large:,} orders", grown, fresh):
            yield outcome
        with _idle(grown, many) as crowd, _idle(fresh, few) as handful:
            for outcome in _grown(bench, f"watchers from {few:,} to {many:,}", grown, fresh, crowd, handful):
                yield outcome


def _grown(bench: Bench, load: str, grown: Contestant, fresh: Contestant, *idle: RawPages) -> Iterator[Outcome]:
    """Hold the grown one to the fresh one. Idle pages are read between slices: one that is silent is sent away."""

    def beside_pages(measure: partial[Measured], contestant: Contestant) -> Measured:
        for pages in idle:
            pages.take_ready()
        return measure(contestant)

    rate = partial(measures.notifies_a_second, count=bench.sizes.notifies)
    turns = bench.turns(f"{load}: notifies", [grown, fresh], partial(beside_pages, rate))
    yield compared(Asked(f"{load}: notifies", "itself", AtLeast(0.9)), turns, grown, fresh)
    paced = partial(measures.frame_p50_ms, rate=PACE, seconds=bench.sizes.paced_s)
    turns = bench.turns(f"{load}: p50", [grown, fresh], partial(beside_pages, paced))
    yield compared(Asked(f"{load}: p50 at {PACE}/s", "itself", AtMost(1.2)), turns, grown, fresh)


@contextmanager
def _idle(contestant: Contestant, count: int) -> Iterator[RawPages]:
    with some_raw_pages(contestant.port) as pages:
        orders = [contestant.order_ids[number] for number in contestant.take_orders(count)]
        pages.open(map(contestant.watch, islice(orders, count)), are_told=False)
        yield pages
