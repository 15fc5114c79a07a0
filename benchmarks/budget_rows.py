"""The rows of the budget against the toys: which servers take turns at which load, and what their ratio is held to."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from statistics import median
from typing import Final

from benchmarks import measures
from benchmarks.budget_sizes import PACE
from benchmarks.contestant import Contestant
from benchmarks.peer_process import AIOHTTP, NODE_WS, NULL, SOCKETIO, STARLETTE, STARLETTE_XMLTODICT, TORNADO, Peer
from benchmarks.ratios import Asked, AtLeast, AtMost, Outcome
from benchmarks.turns import Bench, alone, compared

SATURATED: Final = "notify + push, saturated, SQLite FULL"
FRESH: Final = "notify + push, a new connection for each"
PACED: Final = f"notify → frame, p50 at {PACE}/s"
READ: Final = "GET one order, with session"
CROWD: Final = "watchers of one order, last frame"
IDLE: Final = "idle watcher with session"
RECONNECT: Final = "10,000 reconnects with token and first state"
DRIVER: Final = "the load driver"

IN_BUDGET: Final = (STARLETTE_XMLTODICT, STARLETTE, AIOHTTP)
ONLY_SHOWN: Final = (TORNADO, NODE_WS, SOCKETIO)
MOST_BUSY: Final = 1 / 3

Peers = Mapping[Peer, Contestant]


async def toy_rows(bench: Bench, *, with_others: bool) -> AsyncIterator[Outcome]:
    """
    Yield the rows in which daifu, on SQLite, and the toys run beside each other.

    Args:
        with_others: Whether to show those peers too to which the budget holds nothing.
    """
    orders = bench.sizes.orders
    async with AsyncExitStack() as stack:
        daifu = await stack.enter_async_context(bench.shop.daifu(bench.folder / "toys", orders=orders))
        wanted = IN_BUDGET + ONLY_SHOWN if with_others else IN_BUDGET
        peers = {peer: stack.enter_context(bench.peer(peer, orders=orders)) for peer in wanted}
        shown = [peers[peer] for peer in (TORNADO, AIOHTTP, NODE_WS)] if with_others else []
        fastest = 0.0
        for rows in (_saturated, _read):
            for outcome in rows(bench, daifu, peers, shown):
                fastest = max(fastest, *(median(values) for values in outcome.slices.values()))
                yield outcome
        yield _ceiling(bench, fastest)
        for outcome in (_paced(bench, daifu, peers), *_crowd(bench, daifu, peers), _reconnects(bench, daifu)):
            yield outcome
        if with_others:
            yield _fresh(bench, daifu, peers)


def _saturated(bench: Bench, daifu: Contestant, peers: Peers, shown: Sequence[Contestant]) -> Iterator[Outcome]:
    asked = {
        peers[STARLETTE_XMLTODICT]: Asked(SATURATED, "Starlette toy with xmltodict", AtLeast(1.5)),
        peers[STARLETTE]: Asked(SATURATED, "Starlette toy with the strict reader", AtLeast(1.0)),
        **{peer: Asked(SATURATED, f"{peer.name} toy", None) for peer in shown},
    }
    measure = partial(measures.notifies_a_second, count=bench.sizes.notifies)
    turns = bench.turns(SATURATED, [daifu, *asked], measure)
    for peer, each in asked.items():
        yield compared(each, turns, daifu, peer)


def _fresh(bench: Bench, daifu: Contestant, peers: Peers) -> Outcome:
    other = peers[STARLETTE]
    measure = partial(measures.notifies_a_second, count=bench.sizes.notifies, requests_each=1)
    return compared(Asked(FRESH, "Starlette toy", None), bench.turns(FRESH, [daifu, other], measure), daifu, other)


def _read(bench: Bench, daifu: Contestant, peers: Peers, shown: Sequence[Contestant]) -> Iterator[Outcome]:
    asked = {
        peers[STARLETTE]: Asked(READ, "Starlette toy", AtLeast(1.0)),
        **{peer: Asked(READ, f"{peer.name} toy", None) for peer in shown},
    }
    turns = bench.turns(READ, [daifu, *asked], partial(measures.gets_a_second, seconds=bench.sizes.read_s))
    for peer, each in asked.items():
        yield compared(each, turns, daifu, peer)


def _ceiling(bench: Bench, fastest: float) -> Outcome:
    """Return how many times faster the driver is against nothing than the fastest of what it drove."""
    asked = Asked(DRIVER, "the fastest it drove", AtLeast(3.0))
    with bench.peer(NULL, orders=bench.sizes.notifies * (bench.sizes.slices + 1)) as null:
        turns = bench.turns(DRIVER, [null], partial(measures.answers_a_second, count=bench.sizes.notifies))
    outcome = alone(asked, turns, null, scale=1 / fastest)
    ceiling = median(each.value for each in turns[null.name])
    return Outcome(asked, outcome.reached, f"ceiling {ceiling:,.0f}/s, fastest {fastest:,.0f}/s", outcome.slices)


def _paced(bench: Bench, daifu: Contestant, peers: Peers) -> Outcome:
    other = peers[STARLETTE]
    measure = partial(measures.frame_p50_ms, rate=PACE, seconds=bench.sizes.paced_s)
    turns = bench.turns(PACED, [daifu, other], measure)
    return compared(Asked(PACED, "Starlette toy", AtMost(1.0)), turns, daifu, other)


def _crowd(bench: Bench, daifu: Contestant, peers: Peers) -> Iterator[Outcome]:
    load = f"{bench.sizes.watchers_of_one:,} {CROWD}"
    asked = {peers[AIOHTTP]: Asked(load, "aiohttp toy", AtMost(1.0))}
    if SOCKETIO in peers:
        asked[peers[SOCKETIO]] = Asked(load, "python-socketio toy", None)
    turns = bench.turns(load, [daifu, *asked], partial(measures.last_frame_ms, watchers=bench.sizes.watchers_of_one))
    for peer, each in asked.items():
        yield compared(each, turns, daifu, peer)


def _reconnects(bench: Bench, daifu: Contestant) -> Outcome:
    count = bench.sizes.reconnects
    turns = bench.turns(RECONNECT, [daifu], partial(measures.cpu_s_to_open, count=count))
    asked = Asked(RECONNECT, "one core", AtMost(5.0), unit="CPU s")
    return alone(asked, turns, daifu, scale=10_000 / count)


async def idle_rows(bench: Bench, *, with_others: bool) -> AsyncIterator[Outcome]:
    """Yield what an idle page costs in memory, each time in a process that has done nothing before."""
    pages = bench.sizes.idle_pages
    load = f"{IDLE}, {pages:,} of them"
    orders = pages + measures.FIRST_PAGES
    taken: dict[str, list[float]] = {}
    for turn in bench.track(range(bench.sizes.slices), load):
        async with bench.shop.daifu(bench.folder / f"idle-{turn}", orders=orders) as daifu:
            taken.setdefault(daifu.name, []).append(measures.bytes_a_page(daifu, pages).value / 1000)
        for peer in (TORNADO, AIOHTTP, STARLETTE, SOCKETIO, NODE_WS) if with_others else (TORNADO,):
            with bench.peer(peer, orders=orders) as toy:
                taken.setdefault(toy.name, []).append(measures.bytes_a_page(toy, pages).value / 1000)
    ours, *others = ((name, median(values)) for name, values in taken.items())
    said = ", ".join(f"{name} {kilobytes:.1f} kB" for name, kilobytes in others)
    yield Outcome(Asked(load, "plain Tornado's 15 kB", AtMost(6.0), unit="kB"), ours[1], said, taken)
