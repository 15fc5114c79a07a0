"""`python -m sandbox --port N --data-dir D`: the simulator as a process of its own; prints its URL when ready."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from sandbox.app import start


async def serve(*, host: str, port: int, data_dir: Path | None) -> None:
    """Run until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    sandbox = await start(host=host, port=port, data_dir=data_dir)
    sys.stdout.write(f"{sandbox.url}\n")
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    await ended.wait()
    await sandbox.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--data-dir", type=Path, help="remember everything here; otherwise memory only")
    asked = parser.parse_args()
    asyncio.run(serve(host=asked.host, port=asked.port, data_dir=asked.data_dir))


if __name__ == "__main__":
    main()
