"""The real parts the tests run on: a simulated WeChat on a free port, and daifu itself on another."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

import httpx
import pytest
import structlog
import uvloop
from hypothesis import settings as hypothesis_settings

from sandbox.app import Sandbox
from sandbox.app import start as start_sandbox
from tests.faults.processes import leaks_in
from tests.people import Person, a_client
from tests.redis_server import RedisServer
from tests.running import PLANTED, Daifu, start_daifu

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# What daifu logs becomes a log record of pytest's own, shown with the test that failed.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer(key_order=["event"])],
    logger_factory=structlog.stdlib.LoggerFactory(),
)
# A run of the whole suite looks at fewer examples; `HYPOTHESIS_PROFILE=thorough` looks at more than Hypothesis would.
hypothesis_settings.register_profile("daifu", deadline=None, max_examples=40)
hypothesis_settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis_settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "daifu"))


LOOPS: Final[dict[str, LoopFactory]] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """Python's own event loop, or the one that DAIFU_LOOP names; both for what is marked `either_loop`."""
    name = os.environ.get("DAIFU_LOOP", "asyncio")
    return LOOPS if item.get_closest_marker("either_loop") else {name: LOOPS[name]}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whatever any test logs or prints, no secret and no whole openid may be in it."""
    report = yield
    written = "".join(text for _, text in report.sections)
    if report.passed and (leaks := leaks_in(written, PLANTED)):
        report.outcome = "failed"
        report.longrepr = f"what this test logged shows a secret: {', '.join(leaks)}"
    return report


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    """One redis-server for all tests; `redis_server` is what a test asks for."""
    server = RedisServer()
    yield server
    server.kill()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> RedisServer:
    """A redis-server that runs and is empty. A test may kill it and set it as it likes."""
    redis_process.kill()
    redis_process.start()
    return redis_process


@pytest.fixture
async def wechat() -> AsyncIterator[Sandbox]:
    """A simulated WeChat of this test's own, in memory."""
    sandbox = await start_sandbox()
    yield sandbox
    await sandbox.aclose()


@pytest.fixture
async def wechat_control(wechat: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """The simulator's control API, `/_sim/…`."""
    async with a_client(wechat.url) as http:
        yield http


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu on a free port, with a store of its own and the simulator for WeChat."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant)
    yield server
    await server.aclose()


@pytest.fixture
async def initiator(daifu: Daifu) -> AsyncIterator[Person]:
    """小红, logged in."""
    async with Person("小红", daifu.url) as person:
        await person.log_in()
        yield person


@pytest.fixture
async def friend(daifu: Daifu) -> AsyncIterator[Person]:
    """小明, logged in."""
    async with Person("小明", daifu.url) as person:
        await person.log_in()
        yield person


@pytest.fixture
async def other_friend(daifu: Daifu) -> AsyncIterator[Person]:
    """老王, logged in."""
    async with Person("老王", daifu.url) as person:
        await person.log_in()
        yield person
