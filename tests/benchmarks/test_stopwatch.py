"""Steps inside steps are counted once."""

from collections.abc import Iterator

from benchmarks.stopwatch import Stopwatch


def ticking(*times_s: float) -> Stopwatch:
    clock: Iterator[float] = iter(times_s)
    return Stopwatch(lambda: next(clock))


def test_a_step_is_without_the_steps_inside_it() -> None:
    watch = ticking(0, 1, 4, 10)
    inner = watch.step("inner", lambda: None)

    watch.step("outer", inner)()

    assert watch.until_s("outer") == 10
    assert watch.next_round() == {"inner": 3, "outer": 7}
    assert watch.next_round() == {}


async def test_what_is_awaited_counts_until_it_came() -> None:
    watch = ticking(2, 5)

    async def read() -> str:
        return "order"

    assert await watch.wait("read", read)() == "order"
    assert watch.next_round() == {"read": 3}
