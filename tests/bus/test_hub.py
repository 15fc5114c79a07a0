"""The watchers of one process: newest state only, shared bytes, nobody waits for a slow one."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bus.hub import BEAT_S, SILENCE_S, SLICE, STALL_S, End, Framing, Hub, Watcher
from server.domain.document import Order
from tests.builders import after as applied
from tests.builders import an_order, paid, started


@dataclass
class Times:
    """Both clocks of a hub, moved by hand."""

    at_s: float = 1000.0

    def now_ms(self) -> int:
        return int(self.at_s * 1000)

    def monotonic_s(self) -> float:
        return self.at_s


@dataclass
class Phone:
    """A transport that keeps what it was given; `reads` says whether it takes a frame at once."""

    reads: bool = True
    breaks: bool = False
    frames: list[bytes] = field(default_factory=list)
    pings: int = 0
    closed: tuple[int, str] | None = None
    framing: Framing = bytes

    def write(self, frame: bytes) -> bool:
        if self.breaks:
            raise RuntimeError("a bug in this transport")
        self.frames.append(frame)
        return self.reads

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    @property
    def states(self) -> list[dict[str, Any]]:
        return [frame for frame in map(json.loads, self.frames) if frame["type"] == "order"]

    @property
    def revs(self) -> list[int]:
        return [frame["rev"] for frame in self.states]


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def hub(times: Times) -> Hub:
    return Hub(clock=times, monotonic_s=times.monotonic_s)


def watching(hub: Hub, order: Order, openid: str, phone: Phone) -> Watcher:
    watcher = hub.watch(order.order_id, openid, phone)
    hub.offer_to(watcher, order)
    return watcher


def paid_order(order: Order) -> Order:
    return applied(order, started(), paid())


def test_a_watcher_gets_the_whole_state_first_and_again_when_rev_rises(hub: Hub) -> None:
    order, phone = an_order(), Phone()
    watching(hub, order, order.initiator.openid, phone)
    after = paid_order(order)

    hub.offer(after)

    assert phone.revs == [order.rev, after.rev]
    assert phone.states[-1]["order"]["state"] == "PAID"


def test_a_state_that_is_not_newer_is_dropped(hub: Hub) -> None:
    order, phone = an_order(), Phone()
    after = paid_order(order)
    watching(hub, after, order.initiator.openid, phone)

    hub.offer(order)
    hub.offer(after)

    assert phone.revs == [after.rev]


def test_news_between_subscribing_and_reading_is_not_lost(hub: Hub) -> None:
    order, phone = an_order(), Phone()
    watcher = hub.watch(order.order_id, order.initiator.openid, phone)
    after = paid_order(order)

    hub.offer(after)
    hub.offer_to(watcher, order)

    assert phone.revs == [after.rev]


def test_another_orders_watcher_hears_nothing(hub: Hub) -> None:
    order, other = an_order(), an_order(order_id="01ARZ3NDEKTSV4RRFFQ69G5FZZ")
    phone = Phone()
    watching(hub, other, "someone", phone)

    hub.offer(paid_order(order))

    assert phone.revs == [other.rev]


def test_while_a_write_is_under_way_the_newest_state_replaces_the_waiting_one(hub: Hub) -> None:
    order, slow = an_order(300, 300, 300), Phone(reads=False)
    watcher = watching(hub, order, order.initiator.openid, slow)
    first = applied(order, started())
    second = applied(first, paid(amount=300))

    hub.offer(first)
    hub.offer(second)
    assert slow.revs == [order.rev]

    slow.reads = True
    watcher.written(hub.now_s())
    assert slow.revs == [order.rev, second.rev]


def test_watchers_with_one_view_share_one_frame(hub: Hub) -> None:
    order = an_order()
    phones = [Phone() for _ in range(3)]
    for phone in phones:
        watching(hub, order, "a friend", phone)

    hub.offer(paid_order(order))

    assert phones[0].frames[-1] is phones[1].frames[-1] is phones[2].frames[-1]


def test_initiator_payer_and_friend_each_see_their_own_view(hub: Hub) -> None:
    order = paid_order(an_order())
    seen = {}
    for openid in (order.initiator.openid, order.payments[0].payer.openid, "a stranger"):
        phone = Phone()
        watching(hub, order, openid, phone)
        seen[openid] = phone.states[0]["order"]

    assert [view["my_role"] for view in seen.values()] == ["initiator", "payer", "friend"]
    assert [view["payments"][0]["mine"] for view in seen.values()] == [False, True, False]


def test_a_reader_that_stalls_is_closed_and_told_to_come_back(hub: Hub, times: Times) -> None:
    order, slow, quick = an_order(), Phone(reads=False), Phone()
    watching(hub, order, "slow", slow)
    watching(hub, order, "quick", quick)

    times.at_s += STALL_S
    hub.tick()

    assert slow.closed == (4408, "too slow")
    assert quick.closed is None
    assert len(hub) == 1


def test_a_peer_that_says_nothing_for_a_minute_is_forgotten(hub: Hub, times: Times) -> None:
    order, gone, alive = an_order(), Phone(), Phone()
    watching(hub, order, "gone", gone)
    answers = watching(hub, order, "alive", alive)

    for _ in range(SILENCE_S + BEAT_S):
        times.at_s += 1
        answers.heard(times.at_s)
        hub.tick()

    assert gone.closed == (4408, "silent")
    assert alive.closed is None


def test_a_beat_carries_the_rev_and_the_servers_clock_once_a_period(hub: Hub, times: Times) -> None:
    order, phone = an_order(), Phone()
    watching(hub, order, "someone", phone)

    for _ in range(BEAT_S):
        times.at_s += 1
        hub.tick()

    beats = [json.loads(frame) for frame in phone.frames if b'"beat"' in frame]
    assert [beat["rev"] for beat in beats] == [order.rev]
    assert times.now_ms() - BEAT_S * 1000 <= beats[0]["now_ms"] <= times.now_ms()
    assert phone.pings == 1


def test_one_broken_watcher_costs_the_others_nothing(hub: Hub) -> None:
    order, broken, sound = an_order(), Phone(), Phone()
    watching(hub, order, "broken", broken)
    watching(hub, order, "sound", sound)
    broken.breaks = True
    after = paid_order(order)

    hub.offer(after)

    assert sound.revs == [order.rev, after.rev]
    assert broken.closed is not None
    assert len(hub) == 1


def test_forgetting_twice_is_fine_and_leaves_nothing_behind(hub: Hub) -> None:
    order, phone = an_order(), Phone()
    watcher = watching(hub, order, "someone", phone)

    hub.forget(watcher)
    hub.forget(watcher)
    hub.offer(paid_order(order))

    assert len(hub) == 0
    assert phone.revs == [order.rev]


def test_going_down_sends_everybody_away_in_parts_each_with_a_delay_of_his_own(hub: Hub) -> None:
    phones = [Phone() for _ in range(3)]
    for phone in phones:
        watching(hub, an_order(), "someone", phone)
    delays = iter([1500, 20, 700])

    hub.send_away(2, delay_ms=lambda: next(delays))
    assert len(hub) == 1
    hub.send_away(2, delay_ms=lambda: next(delays))

    told = [phone.closed for phone in phones if phone.closed is not None]
    assert {code for code, _ in told} == {1012}
    assert sorted(json.loads(reason)["delay_ms"] for _, reason in told) == [20, 700, 1500]
    assert len(hub) == 0


def test_a_watcher_whose_time_is_over_is_told_why(hub: Hub, times: Times) -> None:
    order, phone = an_order(), Phone()
    end = End(times.at_s + 30, 4401, "log in again")
    watcher = hub.watch(order.order_id, "someone", phone, end=end)
    hub.offer_to(watcher, order)

    for _ in range(30 + BEAT_S):
        times.at_s += 1
        watcher.heard(times.at_s)
        hub.tick()

    assert phone.closed == (4401, "log in again")
    assert len(hub) == 0


@given(data=st.data())
def test_whatever_comes_in_whatever_order_revs_rise_and_the_last_is_the_true_one(data: st.DataObject) -> None:
    times = Times()
    hub = Hub(clock=times, monotonic_s=times.monotonic_s)
    states = [an_order(100, 100, 100, 100)]
    for number in range(1, 5):
        states.append(applied(states[-1], started(f"friend {number}")))
        states.append(applied(states[-1], paid(number)))
    phone = Phone()
    watcher = hub.watch(states[0].order_id, "someone", phone)
    hub.offer_to(watcher, states[0])

    news = [*data.draw(st.lists(st.sampled_from(states), max_size=12)), states[-1]]
    for state in news:
        phone.reads = data.draw(st.booleans())
        hub.offer(state)
        if data.draw(st.booleans()):
            phone.reads = True
            watcher.written(times.at_s)
    phone.reads = True
    watcher.written(times.at_s)

    assert phone.revs == sorted(set(phone.revs))
    assert phone.revs[-1] == states[-1].rev


def test_a_crowd_is_served_in_slices_with_room_for_other_work_between(times: Times) -> None:
    steps: list[Callable[[], None]] = []
    hub = Hub(clock=times, monotonic_s=times.monotonic_s, later=steps.append)
    order = an_order()
    phones = [Phone() for _ in range(2 * SLICE + 1)]
    for phone in phones:
        watching(hub, order, "a friend", phone)
    after = paid_order(order)

    hub.offer(after)
    served = [0]
    while steps:
        steps.pop(0)()
        served.append(sum(after.rev in phone.revs for phone in phones))

    assert served == [0, SLICE, 2 * SLICE, 2 * SLICE + 1]
