"""One token for many: fetched once, early, counted, and never an older one over a newer one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from server.cache.local import LocalCache
from server.errors import StaleToken, WeChatUnavailable
from server.official_ports import Credential
from server.usecases.credential import EARLY_S, FORCE_GAP_S, PAUSE_S, Keeper

LIFE_S = 7200
PATIENCE_S = 10


class HandClock:
    def __init__(self) -> None:
        self.at_s = 1_800_000_000.0

    def now_ms(self) -> int:
        return int(self.at_s * 1000)


class Account:
    """WeChat as the keepers see it: hands out `token-N`, a new one for each number of `generation`."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.generation = 1
        self.ends_at_s = clock.at_s + LIFE_S
        self.asked: list[bool] = []  # was it forced?
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.is_down = False
        self._changed = asyncio.Condition()

    async def was_asked(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= times)

    async def fetch(self, force: bool) -> Credential:
        self.asked.append(force)
        async with self._changed:
            self._changed.notify_all()
        generation, left_s = self.renewed(force), int(self.ends_at_s - self.clock.at_s)
        await self.may_answer.wait()
        if self.is_down:
            raise WeChatUnavailable("stable_token", "timeout")
        return Credential(f"token-{generation}", left_s)

    def renewed(self, force: bool) -> int:
        if force or self.ends_at_s - self.clock.at_s <= EARLY_S + 60:
            self.generation += 1
            self.ends_at_s = self.clock.at_s + LIFE_S
        return self.generation


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def account(clock: HandClock) -> Account:
    return Account(clock)


@pytest.fixture
def cache(clock: HandClock) -> LocalCache:
    return LocalCache(lambda: clock.at_s)


MakeKeeper = Callable[[], Keeper]


@pytest.fixture
def a_keeper(clock: HandClock, account: Account, cache: LocalCache) -> MakeKeeper:
    """Makes a keeper as another process has it: they share WeChat and the cache."""
    return lambda: Keeper("access_token:wx1", account.fetch, cache=cache, clock=clock, limit_a_day=10)


def refusing(*stale: str) -> Callable[[str], Awaitable[str]]:
    """Return a call that WeChat answers 40001 for these tokens, and else with the token it was made with."""

    async def call(token: str) -> str:
        if token in stale:
            raise StaleToken("template", "40001")
        return token

    return call


async def test_many_who_miss_at_once_in_several_processes_make_one_fetch(
    a_keeper: MakeKeeper, account: Account
) -> None:
    account.may_answer.clear()
    keepers = [a_keeper() for _ in range(4)]
    asking = [asyncio.create_task(keeper.value()) for keeper in keepers for _ in range(50)]
    await asyncio.sleep(0)
    account.may_answer.set()

    assert set(await asyncio.gather(*asking)) == {"token-1"}
    assert account.asked == [False]


async def test_it_is_renewed_early_by_one_while_the_others_go_on_with_the_old_one(
    a_keeper: MakeKeeper, account: Account, clock: HandClock
) -> None:
    first, second = a_keeper(), a_keeper()
    assert [await first.value(), await second.value()] == ["token-1", "token-1"]
    clock.at_s += LIFE_S - EARLY_S + 1
    account.may_answer.clear()
    renewing = asyncio.create_task(first.value())
    await account.was_asked(2)

    assert [await first.value(), await second.value()] == ["token-1", "token-1"]
    account.may_answer.set()
    assert await renewing == "token-2"
    assert [await first.value(), await second.value()] == ["token-2", "token-2"]
    assert account.asked == [False, False]


async def test_what_is_still_good_is_used_while_it_cannot_be_renewed(
    a_keeper: MakeKeeper, account: Account, clock: HandClock
) -> None:
    keeper = a_keeper()
    await keeper.value()
    clock.at_s += LIFE_S - EARLY_S + 1
    account.is_down = True
    assert [await keeper.value() for _ in range(5)] == ["token-1"] * 5
    assert len(account.asked) == 2  # and then it rests

    clock.at_s += PAUSE_S
    account.is_down = False
    assert await keeper.value() == "token-2"


async def test_with_none_that_is_good_the_failure_is_told_to_everybody_who_waits(
    a_keeper: MakeKeeper, account: Account
) -> None:
    account.is_down = True
    keeper = a_keeper()

    told = await asyncio.gather(*(keeper.value() for _ in range(20)), return_exceptions=True)

    assert {type(error) for error in told} == {WeChatUnavailable}
    assert len(account.asked) == 1
    account.is_down = False
    assert await keeper.value() == "token-1"


async def test_a_late_older_token_does_not_overwrite_a_newer_one(
    a_keeper: MakeKeeper, account: Account, clock: HandClock, cache: LocalCache
) -> None:
    slow, quick = a_keeper(), a_keeper()
    account.may_answer.clear()
    asking = asyncio.create_task(slow.value())
    await account.was_asked(1)
    clock.at_s += 60  # its turn is over, and meanwhile somebody else forced a renewal
    account.renewed(force=True)
    late, account.may_answer = account.may_answer, asyncio.Event()
    account.may_answer.set()
    assert await quick.value() == "token-2"

    late.set()
    assert await asking == "token-1"

    assert await a_keeper().value() == "token-2"
    assert (await cache.get("access_token:wx1") or "").endswith(" token-2")


async def test_a_stale_token_is_replaced_once_however_many_ran_into_it(a_keeper: MakeKeeper, account: Account) -> None:
    keepers = [a_keeper() for _ in range(4)]
    for keeper in keepers:
        await keeper.value()
    account.renewed(force=True)  # by a system we know nothing of

    used = await asyncio.gather(*(keeper.use(refusing("token-1")) for keeper in keepers for _ in range(50)))

    assert set(used) == {"token-2"}
    assert account.asked == [False, False]  # what WeChat hands out has changed already: nothing was forced


async def test_a_token_wechat_hands_out_and_refuses_is_forced_once_and_not_in_a_loop(
    a_keeper: MakeKeeper, account: Account, clock: HandClock, cache: LocalCache
) -> None:
    keeper = a_keeper()
    used = await asyncio.gather(*(keeper.use(refusing("token-1")) for _ in range(50)))
    assert set(used) == {"token-2"}
    assert account.asked == [False, False, True]

    for _ in range(3):
        with pytest.raises(WeChatUnavailable):
            await keeper.use(refusing("token-2"))
        await cache.delete("access_token_forced:wx1")  # it may forget at any time
    assert account.asked.count(True) == 1  # less than half a minute ago
    clock.at_s += FORCE_GAP_S
    assert await keeper.use(refusing("token-2")) == "token-3"


async def test_the_days_share_is_counted_alarmed_and_kept(
    a_keeper: MakeKeeper, account: Account, clock: HandClock, cache: LocalCache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(10):
            await cache.delete("access_token:wx1")
            await a_keeper().value()
    assert "token-" not in caplog.text
    assert caplog.text.count("credential_fetched") == 10
    assert caplog.text.count("credential_quota_low") == 1

    await cache.delete("access_token:wx1")
    with pytest.raises(WeChatUnavailable):
        await a_keeper().value()
    assert len(account.asked) == 10
    clock.at_s += 86_400
    assert await a_keeper().value()
