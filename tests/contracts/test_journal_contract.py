"""What every journal of notifies promises, and that keys are forgotten as it is."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from msgspec.structs import replace

from server.domain.notify import NotifyFilter, Verdict
from server.errors import NotifyNotFound, StoreUnavailable
from server.ports import Journal, KeyClaim
from server.stores.mongo import MongoStore
from server.stores.sqlite import SqliteStore
from tests.contracts.store_fillings import OpenStore, every_filling
from tests.stores.stored_orders import a_notify, order_id

pytestmark = every_filling

AnyStore = SqliteStore | MongoStore


@pytest.fixture
async def store(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[AnyStore]:
    async with aclosing(await open_store(tmp_path)) as store:
        assert isinstance(store, SqliteStore | MongoStore)
        yield store


@pytest.fixture
def journal(store: AnyStore) -> Journal:
    return store.journal()


async def found(journal: Journal, *, limit: int = 100, **wanted: object) -> Sequence[int]:
    """Return when those were received that fit."""
    notifies = await journal.find(NotifyFilter(**wanted), limit=limit)  # type: ignore[arg-type]
    return [notify.received_at_ms for notify in notifies]


async def test_a_notify_comes_back_as_it_came_byte_by_byte(journal: Journal) -> None:
    await journal.keep([a_notify(1), a_notify(2, of_order=None)])

    assert await journal.get(a_notify(1).notify_id) == a_notify(1)
    assert await journal.get(a_notify(2).notify_id) == a_notify(2, of_order=None)


async def test_one_that_is_there_is_left_as_it_is_and_costs_the_others_nothing(journal: Journal) -> None:
    await journal.keep([a_notify(1)])

    await journal.keep([replace(a_notify(1), verdict=Verdict.REPEAT), a_notify(2)])

    assert await journal.get(a_notify(1).notify_id) == a_notify(1)
    assert await found(journal) == [2, 1]


async def test_one_that_nobody_kept_is_not_found(journal: Journal) -> None:
    with pytest.raises(NotifyNotFound) as missing:
        await journal.get("01N")

    assert missing.value.notify_id == "01N"


async def test_they_are_found_by_time_verdict_and_order_newest_first(journal: Journal) -> None:
    refused = [a_notify(number, verdict=Verdict.REFUSED, of_order=None) for number in (2, 4)]
    await journal.keep([a_notify(1), *refused, a_notify(3, of_order=2), a_notify(5, verdict=Verdict.REPEAT)])

    assert await found(journal) == [5, 4, 3, 2, 1]
    assert await found(journal, limit=2) == [5, 4]
    assert await found(journal, since_ms=4) == [5, 4]
    assert await found(journal, verdict=Verdict.REFUSED) == [4, 2]
    assert await found(journal, order_id=order_id(1)) == [5, 1]
    assert await found(journal, order_id=order_id(1), verdict=Verdict.SETTLED, since_ms=1) == [1]
    assert await found(journal, order_id=order_id(404)) == []


async def test_what_is_old_is_forgotten_so_many_at_a_time(journal: Journal) -> None:
    await journal.keep([a_notify(number) for number in range(1, 8)])

    assert [await journal.forget(before_ms=6, limit=3) for _ in range(3)] == [3, 2, 0]

    assert await found(journal) == [7, 6]


async def test_a_key_is_forgotten_by_its_age_and_then_stands_for_what_comes_next(store: AnyStore) -> None:
    old, young = KeyClaim(order_id(1), "a" * 64, 1_000), KeyClaim(order_id(2), "b" * 64, 2_000)
    await store.claim_key("old", old)
    await store.claim_key("young", young)

    assert await store.forget_keys(before_ms=2_000, limit=10) == 1

    later = KeyClaim(order_id(3), "c" * 64, 3_000)
    assert await store.claim_key("old", later) == later
    assert await store.claim_key("young", later) == young


async def test_once_the_store_is_closed_the_journal_is_too(store: AnyStore) -> None:
    journal = store.journal()
    await store.aclose()

    with pytest.raises(StoreUnavailable):
        await journal.keep([a_notify()])
