"""
Several server processes on one port: started together, replaced when one dies or hangs, ended together.

Each is a `run.py serve` of its own and listens with SO_REUSEPORT, so the kernel spreads connections over them. They
share nothing but MongoDB and Redis. A worker says every second on its standard output that its loop still turns.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, cast

import structlog

log = structlog.get_logger()

SIGN_OF_LIFE: Final = b"."
SILENCE_S: Final = 15.0
START_S: Final = 60.0  # until the first sign of life
END_S: Final = 20.0  # a drain takes half of it
MAX_PAUSE_S: Final = 10.0


class Patience(NamedTuple):
    """How long a worker may be silent, in seconds: at its start, while it serves, after it was told to end."""

    start_s: float = START_S
    silence_s: float = SILENCE_S
    end_s: float = END_S


def show_life() -> None:
    """Tell the supervisor that this worker serves. Called in the worker, on its loop; never waits, never fails."""
    with suppress(OSError):  # full: nobody reads; closed: our standard input is too, and ends us
        os.write(sys.stdout.fileno(), SIGN_OF_LIFE)


async def supervise(
    command: Sequence[str],
    environments: Sequence[Mapping[str, str]],
    *,
    ready: Callable[[], None],
    patience: Patience = Patience(),  # noqa: B008 - a constant
) -> None:
    """
    Keep a process of this command running in each of these environments until SIGTERM or SIGINT, then end them and
    wait for their drain.

    A second signal ends us at once, and them with us: their standard input closes.

    Args:
        ready: Is called once, when every one of them serves.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keepers = [_Keeper(command, environment, stop, patience) for environment in environments]
    async with asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.keep())
        announcing = group.create_task(_announce(keepers, ready))
        await stop.wait()
        announcing.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _announce(keepers: "Sequence[_Keeper]", ready: Callable[[], None]) -> None:
    for keeper in keepers:
        await keeper.has_served.wait()
    ready()


class _Keeper:
    """Keeps one worker alive, one process after the other."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event, patience: Patience
    ) -> None:
        self._command = command
        self._environment = dict(environment)
        self._stop = stop
        self._patience = patience
        self.has_served = asyncio.Event()

    async def keep(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        pause_s = 0.0
        while not self._stop.is_set():
            has_served = await self._live(stopped)
            if self._stop.is_set():
                return
            # One that never served is given growing pauses: a setting that is refused is no reason to spin.
            pause_s = 0.0 if has_served else min(MAX_PAUSE_S, 2 * pause_s + 0.5)
            log.error("process_died", again_in_s=pause_s)
            await asyncio.wait({stopped}, timeout=pause_s)

    async def _live(self, stopped: "asyncio.Task[object]") -> bool:
        """Start a process and return when it has ended: did it serve?"""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,  # closes when we are gone, whatever ended us
            stdout=asyncio.subprocess.PIPE,
            process_group=0,  # Ctrl-C comes to us alone, and through us once to each of them
        )
        listening = asyncio.create_task(self._listen(process))
        await asyncio.wait({listening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if self._stop.is_set():
            await self._end(process)
        has_served = await listening
        await process.wait()
        return has_served

    async def _listen(self, process: asyncio.subprocess.Process) -> bool:
        """Return when the process is gone, kill it when it hangs: did it ever show life?"""
        said = cast("asyncio.StreamReader", process.stdout)
        has_served = False
        while True:
            patience_s = self._patience.silence_s if has_served else self._patience.start_s
            try:
                async with asyncio.timeout(patience_s):
                    signs = await said.read(4096)
            except TimeoutError:
                if not self._stop.is_set():
                    log.critical("process_hangs", pid=process.pid, silent_s=patience_s)
                    _kill(process)
                continue
            if not signs:
                return has_served
            has_served = True
            self.has_served.set()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(self._patience.end_s):
                await process.wait()
        except TimeoutError:
            log.critical("process_does_not_end", pid=process.pid)
            _kill(process)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
