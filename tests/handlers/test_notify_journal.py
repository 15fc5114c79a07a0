"""What WeChat, or anybody, posted is in the journal afterwards, and never in the way of the answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from msgspec import structs
from redis.asyncio import Redis

from handlers.judge_notify import judge_notify
from sandbox import flat_xml
from sandbox.app import Sandbox
from server.bootstrap import Services
from server.domain.notify import MAX_DOUBTFUL_BYTES, MOST_PER_HOUR, Notify, NotifyFilter, Verdict, notify_id_at
from server.errors import StoreUnavailable
from server.stores.sqlite_journal import SqliteJournal
from tests.handlers.forged_notifies import Forger, check_settles
from tests.handlers.test_metrics import metrics_of, value_of
from tests.people import Person
from tests.redis_server import RedisServer
from tests.running import Daifu, ShiftedClock, start_daifu
from tests.stored import stored

YEAR_MS = 366 * 86_400_000


async def kept(daifu: Daifu) -> Sequence[Notify]:
    """Return the journal, oldest first, once all that was noted is in it."""
    await daifu.services.recorder.aclose()
    newest_first = await daifu.services.journal.find(NotifyFilter(), limit=1000)
    return list(reversed(newest_first))


async def test_each_notify_is_kept_as_it_came_with_what_was_made_of_it(
    daifu: Daifu, forger: Forger, order_id: str
) -> None:
    genuine = forger.body()
    bodies = [
        forger.body(total_fee="1"),
        genuine,
        genuine,
        forger.body(appid="wx0000000000000000"),
        flat_xml.write({**forger.fields(), "sign": "0" * 64}),
        b"<xml><x></xml>",
        flat_xml.write({"return_code": "FAIL", "return_msg": "x"}),
    ]
    for body in bodies:
        await forger.post(body)
    await forger.http.post("/wechat/notify/refund", content=b"<xml></xml>")

    journal = await kept(daifu)

    assert [(notify.verdict, notify.reason, notify.order_id) for notify in journal] == [
        ("contradicts", "AmountMismatch", order_id),
        ("settled", "", order_id),
        ("repeat", "", order_id),
        ("refused", "appid", ""),
        ("refused", "SignatureMismatch", ""),
        ("malformed", journal[5].reason, ""),
        ("not_paid", "return_code", ""),
        ("malformed", journal[7].reason, ""),
    ]
    assert [notify.body for notify in journal] == [*bodies, b"<xml></xml>"]
    assert [notify.route for notify in journal] == ["pay"] * 7 + ["refund"]
    assert journal[0].headers["content-type"] == "text/xml"
    assert {notify.peer for notify in journal} == {"127.0.0.1"}
    text = await metrics_of(daifu.url)
    assert value_of(text, 'daifu_notifies_total{reason="appid",route="pay",verdict="refused"}') == 1
    assert value_of(text, 'daifu_notify_seconds_count{route="pay"}') == 7


async def test_a_flood_of_forged_ones_is_kept_up_to_its_cap_and_costs_the_genuine_one_nothing(
    daifu: Daifu, forger: Forger
) -> None:
    most = MOST_PER_HOUR[Verdict.MALFORMED]
    flood = b"<xml><attach>" + b"x" * 20_000
    await asyncio.gather(*(forger.post(flood) for _ in range(2 * most + 40)))
    await check_settles(daifu, forger)

    journal = await kept(daifu)

    refused, [settled] = journal[:-1], journal[-1:]
    assert len(refused) <= 2 * most  # an hour may begin in between
    assert daifu.services.recorder.left_out == 2 * most + 40 - len(refused)
    assert {len(notify.body) for notify in refused} == {MAX_DOUBTFUL_BYTES}
    assert not any(notify.is_whole for notify in refused)
    assert (settled.verdict, settled.is_whole) == ("settled", True)


class SilentJournal(SqliteJournal):
    """A journal whose disk does not answer, and then says that it failed."""

    def __init__(self) -> None:
        self.answers = asyncio.Event()

    async def keep(self, notifies: Sequence[Notify]) -> None:
        await self.answers.wait()
        raise StoreUnavailable("SQLITE_IOERR")


class TestWhileTheJournalIsOut:
    @pytest.fixture
    async def daifu(self, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
        merchant = (await wechat_control.get("/_sim/merchant")).json()
        server = await start_daifu(
            data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, parts=with_silent_journal
        )
        yield server
        await server.aclose()

    async def test_a_payment_is_settled_and_acknowledged_and_what_was_not_kept_is_counted(
        self, daifu: Daifu, forger: Forger
    ) -> None:
        await check_settles(daifu, forger)
        assert b"SUCCESS" in (await forger.post(forger.body())).content

        journal = daifu.services.journal
        assert isinstance(journal, SilentJournal)
        journal.answers.set()
        await daifu.services.recorder.aclose()
        assert value_of(await metrics_of(daifu.url), "daifu_notifies_not_kept") == 2


def with_silent_journal(services: Services) -> Services:
    return replace(services, journal=SilentJournal())


@pytest.mark.redis
class TestAYearLater:
    @pytest.fixture
    def clock(self) -> ShiftedClock:
        return ShiftedClock()

    @pytest.fixture
    async def daifu(
        self,
        wechat: Sandbox,
        wechat_control: httpx.AsyncClient,
        tmp_path: Path,
        redis_server: RedisServer,
        clock: ShiftedClock,
    ) -> AsyncIterator[Daifu]:
        server = await start_daifu(
            data_dir=tmp_path,
            wechat_url=wechat.url,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            redis_url=redis_server.url,
            reward_initiator_points=10,
            reward_payer_points=5,
            parts=lambda services: replace(services, clock=clock),
        )
        yield server
        await server.aclose()

    async def test_a_genuine_notify_changes_nothing_after_flushall_and_clean_up(
        self, daifu: Daifu, forger: Forger, clock: ShiftedClock, redis_server: RedisServer, initiator: Person
    ) -> None:
        services = daifu.services
        genuine = forger.body()
        await forger.post(genuine)
        await until_rewarded(daifu, forger)
        [notify] = await kept(daifu)
        before = stored(daifu)
        assert before["rewards"]

        clock.ahead_ms += YEAR_MS
        async with Redis.from_url(redis_server.url) as redis:
            await redis.flushall()
        await services.forget_old()
        assert await services.journal.find(NotifyFilter(), limit=1) == []

        posted = await forger.post(genuine)
        replayed = await judge_notify(
            notify.route, notify.headers, notify.body, services, received_at_ms=notify.received_at_ms
        )

        assert b"SUCCESS" in posted.content
        assert (notify.verdict, replayed.verdict) == ("settled", "repeat")
        await services.relay.aclose()
        assert stored(daifu) == before


async def until_rewarded(daifu: Daifu, forger: Forger) -> None:
    """Return once the relay has nothing left to do for this payment."""
    order = await daifu.services.store.get(forger.out_trade_no[:26])
    async with asyncio.timeout(10):
        while order.due_at_ms is not None:
            await asyncio.sleep(0.005)  # nothing tells of an effect that is struck off but asking
            order = await daifu.services.store.get(order.order_id)


async def test_what_is_kept_for_a_while_is_forgotten_and_no_order_is(daifu: Daifu, forger: Forger) -> None:
    await check_settles(daifu, forger)
    [young] = await kept(daifu)
    keep_ms = daifu.services.settings.notify_keep_days * 86_400_000
    old_ms = young.received_at_ms - keep_ms - 1
    old = structs.replace(young, notify_id=notify_id_at(old_ms), received_at_ms=old_ms)
    await daifu.services.journal.keep([old])
    before = stored(daifu)

    await daifu.services.forget_old()

    assert await daifu.services.journal.find(NotifyFilter(), limit=9) == [young]
    assert stored(daifu) == before
