"""The one command, as a newcomer runs it."""

import asyncio
import os
import re
import socket
import sys
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from server.stores.sqlite import SqliteStore
from tests.builders import ORDER_ID, an_order
from tests.faults.processes import a_free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 40

pytestmark = pytest.mark.process


async def run(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run `python run.py …` to its end; return exit code and all it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), *arguments),
        env={**os.environ, **environment},
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def test_the_demo_plays_the_whole_story_and_ends_with_the_time_it_took() -> None:
    code, printed = await run("demo")

    assert code == 0, printed
    assert "小明 has paid for you (PAID" in printed
    assert re.search(r"notify received → on the initiator's socket: \d+\.\d ms\s*$", printed)


async def test_help_names_the_commands() -> None:
    code, printed = await run("--help")

    assert code == 0
    for command in ("serve", "sandbox", "demo", "doctor", "orders", "notifies", "reconcile"):
        assert re.search(rf"^  {command} ", printed, re.MULTILINE)


async def test_a_day_on_which_nothing_happened_is_reconciled_with_the_simulated_wechat(tmp_path: Path) -> None:
    long_ago = str(datetime.now(UTC).date() - timedelta(days=10))
    await (await SqliteStore.open(tmp_path / "daifu.db")).aclose()
    arguments = ("reconcile", "--date", long_ago, "--data-dir", str(tmp_path))

    code, printed = await run(*arguments, PORT=str(a_free_port()))

    assert code == 0, printed
    assert "No difference." in printed


async def test_a_port_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    port = a_free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code, printed = await run("serve", "--port", str(port), "--data-dir", str(tmp_path))

    assert code == 1
    assert (
        printed.strip()
        == f"daifu does not start: PORT {port} on HOST 127.0.0.1 cannot be opened: Address already in use"
    )


async def test_the_simulators_port_in_use_is_refused_in_plain_words(tmp_path: Path) -> None:
    port = a_free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        code, printed = await run("serve", "--port", str(port), "--data-dir", str(tmp_path))

    assert code == 1
    assert f"port {port + 1}" in printed
    assert "Traceback" not in printed


async def test_a_bad_setting_is_refused_in_one_line_that_names_it(tmp_path: Path) -> None:
    code, printed = await run(
        "serve", "--data-dir", str(tmp_path), WECHAT_MCHID="1900000001", WECHAT_API_KEYS="secret-but-short"
    )

    assert code == 1
    assert "WECHAT_API_KEYS" in printed
    assert "secret-but-short" not in printed
    assert len(printed.strip().splitlines()) == 1


async def test_a_second_server_on_the_same_files_is_refused(tmp_path: Path) -> None:
    first = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), "serve", "--port", str(a_free_port()), "--data-dir", str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert first.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while b"daifu is running" not in await first.stdout.readline():
                pass
        code, printed = await run("serve", "--port", str(a_free_port()), "--data-dir", str(tmp_path))
    finally:
        first.terminate()
        await first.communicate()

    assert code == 1
    assert "Traceback" not in printed


async def test_an_operator_looks_at_an_order_with_no_server_running(tmp_path: Path) -> None:
    async with aclosing(await SqliteStore.open(tmp_path / "daifu.db")) as store:
        await store.insert(an_order())

    code, printed = await run("orders", "--data-dir", str(tmp_path), "query", ORDER_ID, PORT=str(a_free_port()))

    assert code == 1
    assert "OPEN" in printed
    assert printed.rstrip().endswith("Nothing was done: it has no payment to ask about.")
