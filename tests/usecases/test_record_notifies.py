"""What of the notifies is kept, when anybody may send as many as he likes."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from server.domain.notify import MOST_PER_HOUR, NotifyFilter, NotifyRoute, Verdict
from server.ports import Journal
from server.stores.sqlite import SqliteStore
from server.usecases import record_notifies
from server.usecases.record_notifies import Inbound, NotifyRecorder

HOUR_MS = 3_600_000


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        yield store.journal()


def inbound(*, hour: int = 1, headers: dict[str, str] | None = None) -> Inbound:
    return Inbound(NotifyRoute.PAY, hour * HOUR_MS, "101.226.103.0", headers or {}, b"<xml></xml>")


async def kept(recorder: NotifyRecorder, journal: Journal) -> Counter[tuple[Verdict, int]]:
    """Write down what waits; return how many of each verdict and hour there are."""
    recorder.start()
    await recorder.aclose()
    notifies = await journal.find(NotifyFilter(), limit=10_000)
    return Counter((notify.verdict, notify.received_at_ms // HOUR_MS) for notify in notifies)


async def test_each_verdict_has_a_cap_of_its_own_every_hour_and_what_is_genuine_and_new_has_none(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_notifies, "MOST_WAITING", 10_000)
    recorder = NotifyRecorder(journal)
    for hour in (1, 2):
        for verdict in Verdict:
            for _ in range(700):
                recorder.note(inbound(hour=hour), verdict, "", "")

    counted = await kept(recorder, journal)

    expected = {(verdict, hour): MOST_PER_HOUR.get(verdict, 700) for verdict in Verdict for hour in (1, 2)}
    assert counted == expected
    assert recorder.left_out == 2 * sum(700 - most for most in MOST_PER_HOUR.values())


async def test_one_genuine_notify_posted_again_and_again_fills_no_disk_whatever_it_is_worth() -> None:
    """One that contradicts its order was kept every time, and API v2's never grow old."""
    assert set(Verdict) - set(MOST_PER_HOUR) == {Verdict.SETTLED, Verdict.NOT_STORED}


async def test_what_the_store_cannot_take_in_time_is_dropped_and_counted(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_notifies, "MOST_WAITING", 5)
    recorder = NotifyRecorder(journal)
    for _ in range(8):
        recorder.note(inbound(), Verdict.SETTLED, "", "")

    assert (await kept(recorder, journal)).total() == 5
    assert recorder.dropped == 3


async def test_headers_that_matter_are_kept_and_cut_and_a_cookie_is_not(journal: Journal) -> None:
    headers = {"User-Agent": "x" * 600, "Wechatpay-Serial": "4A", "Cookie": "session=secret", "X-Real-Ip": "1.1.1.1"}
    recorder = NotifyRecorder(journal)
    recorder.note(inbound(headers=headers), Verdict.SETTLED, "", "")

    await kept(recorder, journal)

    [notify] = await journal.find(NotifyFilter(), limit=1)
    assert notify.headers == {"user-agent": "x" * 512, "wechatpay-serial": "4A"}
