"""`python -m sandbox --port N --data-dir D`: the simulator as a process of its own; prints its URL when ready."""

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from sandbox.app import start
from sandbox.world import REFUND_AFTER_S


async def serve(
    *,
    host: str,
    port: int,
    data_dir: Path | None,
    until_stdin_closes: bool,
    refund_after_s: float = REFUND_AFTER_S,
) -> None:
    """
    Run until SIGINT or SIGTERM or, if asked, until whoever holds the other end of standard input is gone.

    Raises:
        OSError: The port is taken.
    """
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    sandbox = await start(host=host, port=port, data_dir=data_dir, refund_after_s=refund_after_s)
    if until_stdin_closes:
        stdin = sys.stdin.fileno()
        loop.add_reader(stdin, lambda: None if os.read(stdin, 64) else ended.set())
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{sandbox.url}\n")
        sys.stdout.flush()
    await ended.wait()
    if until_stdin_closes:
        loop.remove_reader(stdin)
    await sandbox.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--data-dir", type=Path, help="remember everything here; otherwise memory only")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when whoever started it is gone")
    parser.add_argument(
        "--refund-after-s", type=float, default=REFUND_AFTER_S, help="how long a refund is on its way (%(default)s s)"
    )
    asked = parser.parse_args()
    try:
        asyncio.run(serve(**vars(asked)))
    except OSError as error:
        sys.exit(f"the simulated WeChat does not start on port {asked.port}: {error.strerror}")


if __name__ == "__main__":
    main()
