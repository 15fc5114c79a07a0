"""One day's orders become one roll-up. Safe to repeat, and by two processes at once."""

from typing import Final

from msgspec import Struct

from server.domain.day_stats import DayBook, DayStats
from server.domain.days import DAY_MS, day_of, day_start_ms
from server.domain.order_ids import first_order_id_at, order_made_at_ms
from server.ports import Clock, StatsStore, Store

PAGE: Final = 100  # what is read at once is decoded without a pause: a few milliseconds


class RolledUp(Struct, frozen=True):
    """`last_order_id` is the day's newest order, "" if it has none; `also` are other days whose newcomers are more."""

    stats: DayStats
    last_order_id: str
    also: frozenset[str]


async def roll_up(day: str, *, store: Store, stats: StatsStore, clock: Clock) -> RolledUp:
    """
    Add up the orders made on this day as they stand now; keep it and return it.

    Who paid first because of a shared order is written down on the way: where nothing is earned, nobody else does.

    Raises:
        StoreUnavailable: Nothing was kept.
    """
    book = DayBook(day, as_of_ms=clock.now_ms())
    start_ms = day_start_ms(day)
    after, before = just_below(first_order_id_at(start_ms)), first_order_id_at(start_ms + DAY_MS)
    last_order_id = ""
    while orders := await store.scan(after=last_order_id or after, before=before, limit=PAGE):
        traces = await stats.traces(first=orders[0].order_id, last=orders[-1].order_id)
        for order in orders:
            book.add(order, traces.get(order.order_id, frozenset()))
        last_order_id = orders[-1].order_id
        if len(orders) < PAGE:
            break
    brought = await _bring(book, store, stats)
    newcomers = await stats.count_newcomers(from_ms=start_ms, before_ms=start_ms + DAY_MS)
    rollup = book.result(days_before=await _days_before(book, stats), newcomers=newcomers)
    await stats.keep_rollup(rollup)
    return RolledUp(rollup, last_order_id, frozenset(brought - {day}))


def just_below(order_id: str) -> str:
    """Return a bound that this id is still above: what begins like it and is shorter sorts before it."""
    return order_id[:-1]


async def _bring(book: DayBook, store: Store, stats: StatsStore) -> set[str]:
    """Write down who brought whom; return the days on which those were first seen of whom nobody knew it."""
    payers = list(book.brought)
    days: set[str] = set()
    for page in (payers[start : start + PAGE] for start in range(0, len(payers), PAGE)):
        for openid, first_seen_ms in (await stats.unbrought(page)).items():
            await store.bring_user(openid, brought_by=book.brought[openid])
            days.add(day_of(first_seen_ms))
    return days


async def _days_before(book: DayBook, stats: StatsStore) -> dict[str, str]:
    before = first_order_id_at(day_start_ms(book.day))
    initiators = list(book.initiators)
    found: dict[str, str] = {}
    for page in (initiators[start : start + PAGE] for start in range(0, len(initiators), PAGE)):
        last_orders = await stats.last_orders(page, before=before)
        found |= {openid: day_of(order_made_at_ms(order_id)) for openid, order_id in last_orders.items()}
    return found
