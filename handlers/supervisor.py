"""
Several server processes on one port: started together, replaced when one dies, ended together.

Each is a `run.py serve` of its own and listens with SO_REUSEPORT, so the kernel spreads connections over them. They
share nothing but MongoDB and Redis.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

log = structlog.get_logger()

SHORT_LIFE_S: Final = 5
MAX_PAUSE_S: Final = 10


async def supervise(
    command: Sequence[str], environment: Mapping[str, str], *, count: int, ready: Callable[[], None]
) -> None:
    """
    Keep `count` processes of this command running until SIGTERM or SIGINT, then end them and wait for their drain.

    A second signal ends us at once, and them with us: their standard input closes.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as keepers:
        for _ in range(count):
            keepers.create_task(_keep_alive(command, environment, stop))
        ready()
        await stop.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _keep_alive(command: Sequence[str], environment: Mapping[str, str], stop: asyncio.Event) -> None:
    stopped = asyncio.create_task(stop.wait())
    pause_s = 0.0
    while not stop.is_set():
        began_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.PIPE,  # closes when we are gone, whatever ended us
            process_group=0,  # Ctrl-C comes to us alone, and through us once to each of them
        )
        died = asyncio.create_task(process.wait())
        await asyncio.wait({died, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            if process.returncode is None:
                process.terminate()
            await died
            return
        # One that dies young is given growing pauses: a database that is not there is no reason to spin.
        pause_s = min(MAX_PAUSE_S, 2 * pause_s + 0.5) if time.monotonic() - began_s < SHORT_LIFE_S else 0.0
        log.error("process_died", exit_code=process.returncode, again_in_s=pause_s)
        await asyncio.wait({stopped}, timeout=pause_s)
