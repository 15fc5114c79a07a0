"""strace on a running server: which system calls its threads make, and death at a chosen one of them."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.faults.nursery import Life
from tests.faults.processes import PATIENCE_S

# What leaves a process or reaches the disk: between any two of these a death makes a difference.
SYSCALLS: Final = ("write", "writev", "pwrite64", "fsync", "fdatasync", "sendto", "sendmsg")

_CALL: Final = re.compile(r"(\d+) +(\w+)\(")


class Point(NamedTuple):
    """The nth call of this name by this thread of the server, counted from 1; threads in the order of their birth."""

    thread: int
    syscall: str
    nth: int

    def __str__(self) -> str:
        return f"thread {self.thread} {self.syscall} #{self.nth}"


@asynccontextmanager
async def recorded(life: Life, points: list[Point], scratch: Path) -> AsyncIterator[None]:
    """Add to `points` every call the server makes within the block."""
    threads = _threads(life)
    async with _strace("-f", "-p", str(life.pid), "-e", f"trace={','.join(SYSCALLS)}", "-o", str(scratch)):
        yield
    points += _points(await asyncio.to_thread(scratch.read_text, errors="replace"), threads)


def _points(trace: str, threads: list[int]) -> list[Point]:
    calls = [(int(thread), syscall) for thread, syscall in _CALL.findall(trace)]
    counts = Counter((threads.index(thread), syscall) for thread, syscall in calls if thread in threads)
    return [Point(*key, nth) for key in sorted(counts) for nth in range(1, counts[key] + 1)]


@dataclass
class Death:
    """Whether it came is known when the block has ended."""

    came: bool = False


@asynccontextmanager
async def killed_at(life: Life, point: Point) -> AsyncIterator[Death]:
    """The server dies on entering this call, if it comes to it within the block."""
    death = Death()
    inject = f"inject={point.syscall}:signal=SIGKILL:when={point.nth}"
    thread = str(_threads(life)[point.thread])
    async with _strace("-p", thread, "-e", f"trace={point.syscall}", "-e", inject, "-o", "/dev/null"):
        yield death
    death.came = not await life.answers()


def _threads(life: Life) -> list[int]:
    return sorted(int(task.name) for task in Path(f"/proc/{life.pid}/task").iterdir())


@asynccontextmanager
async def _strace(*arguments: str) -> AsyncIterator[None]:
    """Yield while it is attached."""
    tracer = await asyncio.create_subprocess_exec("strace", *arguments, stderr=asyncio.subprocess.PIPE)
    assert tracer.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            said = (await tracer.stderr.readline()).decode()
        assert "attached" in said, f"strace: {said}"
        yield
    finally:
        if tracer.returncode is None:
            tracer.terminate()  # lets go of the server
        await tracer.communicate()
