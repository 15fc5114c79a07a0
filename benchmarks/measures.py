"""What is measured of one server in one slice: one number each."""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Final, NamedTuple

from benchmarks.contestant import Contestant
from benchmarks.machine import cpu_s, resident_bytes
from benchmarks.raw_client import HEAD_END, Slice, a_raw_client
from benchmarks.raw_pages import RawPages, some_raw_pages

CONNECTIONS: Final = 64
FEW_CONNECTIONS: Final = 16  # what a database that is asked for each by itself still serves in time
MOST_ROUNDS: Final = 5
ACKNOWLEDGED: Final = b"<return_code><![CDATA[SUCCESS]]></return_code>"
QUIET_S: Final = 0.1
QUIET_CPU_S: Final = 0.011  # the kernel counts in hundredths
PATIENCE_S: Final = 20
FIRST_PAGES: Final = 100


class Measured(NamedTuple):
    """One slice's number, and the share of it in which the driver itself was at work."""

    value: float
    busy: float = 0.0


class WrongAnswerError(Exception):
    """A server did not do what was asked of it: none of its numbers counts."""


def notifies_a_second(contestant: Contestant, count: int, *, requests_each: int = 0) -> Measured:
    """
    Return how many notifies a second it settles and pushes, each to its order's one page, as fast as it can.

    A slice ends when every notify is answered and every page told; what the server still works on then is its time too.
    """
    numbers = contestant.take_orders(count)
    with _pages_on(contestant, numbers) as pages:
        until_quiet(contestant)
        with a_raw_client(contestant.port, CONNECTIONS, requests_each=requests_each, pages=pages) as client:
            done = client.run((contestant.notifies[number] for number in numbers), expected=ACKNOWLEDGED)
        _check(contestant, done)
        busy = done.busy_share
        done.seconds += until_quiet(contestant)
    return Measured(done.rate, busy)


def frame_p50_ms(contestant: Contestant, rate: int, seconds: float) -> Measured:
    """Return the median time from when a notify was due to its page's frame, at so many notifies a second."""
    numbers = contestant.take_orders(int(rate * seconds))
    with _pages_on(contestant, numbers) as pages:
        until_quiet(contestant)
        with a_raw_client(contestant.port, CONNECTIONS, pages=pages) as client:
            requests = [contestant.notifies[number] for number in numbers]
            done = client.run_paced(requests, rate, expected=ACKNOWLEDGED)
        _check(contestant, done)
        waited_s = [pages.paid_at_s[number] - due_s for number, due_s in done.due_s.items()]
    return Measured(median(waited_s) * 1000, done.busy_share)


def last_frame_ms(contestant: Contestant, watchers: int) -> Measured:
    """Return the time from sending the notify of an order that so many watch to the last one's frame."""
    (number,) = contestant.take_orders(1)
    with _pages_on(contestant, [number] * watchers) as pages:
        until_quiet(contestant)
        with a_raw_client(contestant.port, 1, pages=pages) as client:
            begin_s = time.perf_counter()
            done = client.run(iter([contestant.notifies[number]]), expected=ACKNOWLEDGED)
        _check(contestant, done)
        return Measured((max(pages.paid_at_s.values()) - begin_s) * 1000, done.busy_share)


def answers_a_second(contestant: Contestant, count: int) -> Measured:
    """Return how many notifies a second it answers, whatever it does with them."""
    numbers = contestant.take_orders(count)
    with a_raw_client(contestant.port, CONNECTIONS) as client:
        done = client.run((contestant.notifies[number] for number in numbers), expected=ACKNOWLEDGED)
    _check(contestant, done)
    return Measured(done.rate, done.busy_share)


def gets_a_second(contestant: Contestant, seconds: float) -> Measured:
    """Return how many times a second it answers with one order."""
    order = contestant.order_ids[0]
    until_quiet(contestant)
    with a_raw_client(contestant.port, CONNECTIONS) as client:
        requests = itertools.repeat(contestant.get(order))
        done = client.run(requests, seconds, expected=f'"order_id":"{order}"'.encode())
    _check(contestant, done)
    return Measured(done.rate, done.busy_share)


def cpu_s_to_open(contestant: Contestant, count: int) -> Measured:
    """Return the server's CPU seconds for so many new sockets with a token, each to its first state."""
    until_quiet(contestant)
    before_s = cpu_s(contestant.pid)
    with _pages_on(contestant, range(count)):
        return Measured(cpu_s(contestant.pid) - before_s)


def bytes_a_page(contestant: Contestant, count: int) -> Measured:
    """Return the resident memory of each of so many idle pages, on orders of their own. Only once on a server."""
    with some_raw_pages(contestant.port) as pages:
        order_ids = itertools.cycle(contestant.order_ids)
        pages.open(map(contestant.watch, itertools.islice(order_ids, FIRST_PAGES)))  # whatever the first ones cost
        before = resident_bytes(contestant.pid)
        pages.open(map(contestant.watch, itertools.islice(order_ids, count)))
        return Measured((resident_bytes(contestant.pid) - before) / count)


def cpu_ms_a_notify(contestant: Contestant, count: int) -> Measured:
    """
    Return the server's CPU milliseconds for each notify it settles under load, with all that follows from it.

    Those that are told to come again do, as WeChat sends them again, and what that costs is in it.
    """
    until_quiet(contestant)
    before_s, busy = cpu_s(contestant.pid), 0.0
    requests = [contestant.notifies[number] for number in contestant.take_orders(count)]
    with a_raw_client(contestant.port, FEW_CONNECTIONS) as client:
        for _ in range(MOST_ROUNDS):
            done = client.run(iter(requests), expected=ACKNOWLEDGED)
            requests, busy = done.refused, max(busy, done.busy_share)
            if not requests:
                until_quiet(contestant)
                return Measured((cpu_s(contestant.pid) - before_s) / count * 1000, busy)
    raise _wrong(contestant, done)


def until_quiet(contestant: Contestant) -> float:
    """
    Wait until the server does nothing any more; return the CPU seconds it used until then.

    Raises:
        WrongAnswerError: It never rests, so that whatever is measured beside it would be measured with it.
    """
    begin_s, before_s = time.monotonic(), cpu_s(contestant.pid)
    used_s = before_s
    while time.monotonic() - begin_s < PATIENCE_S:
        time.sleep(QUIET_S)
        was_s, used_s = used_s, cpu_s(contestant.pid)
        if used_s - was_s < QUIET_CPU_S:
            return used_s - before_s
    raise WrongAnswerError(f"{contestant.name} does not come to rest")


@contextmanager
def _pages_on(contestant: Contestant, numbers: Sequence[int]) -> Iterator[RawPages]:
    """Open a page on each of these orders."""
    with some_raw_pages(contestant.port) as pages:
        pages.open(contestant.watch(contestant.order_ids[number]) for number in numbers)
        yield pages


def _check(contestant: Contestant, done: Slice) -> None:
    if done.wrong:
        raise _wrong(contestant, done)


def _wrong(contestant: Contestant, done: Slice) -> WrongAnswerError:
    head, _, body = done.last_wrong.partition(HEAD_END)
    said = f"{head.splitlines()[0]!r} {body[:200]!r}"
    return WrongAnswerError(f"{contestant.name} answered {done.wrong} of {done.answers} wrongly, at last {said}")
