"""An order, somebody who posts notifies for it, and the command line beside the server or in its place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from click.testing import CliRunner, Result

from operator_commands.notifies import notifies
from operator_commands.orders import orders
from settings import Settings
from tests.handlers.forged_notifies import Forger
from tests.people import Person, a_client
from tests.running import Daifu

Run = Callable[..., Awaitable[Result]]


@pytest.fixture
async def order_id(initiator: Person) -> str:
    return str((await initiator.place_order())["order_id"])


@pytest.fixture
async def forger(
    daifu: Daifu, wechat_control: httpx.AsyncClient, friend: Person, order_id: str
) -> AsyncIterator[Forger]:
    """小明 has pressed pay; nothing is paid yet, and nobody but a test asks WeChat about it."""
    await daifu.services.relay.aclose()
    out_trade_no = await friend.start_payment(order_id)
    users = (await wechat_control.get("/_sim/users")).json()
    async with a_client(daifu.url) as http:
        yield Forger(
            http=http,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            out_trade_no=out_trade_no,
            openid=next(user["openid"] for user in users if user["nickname"] == "小明"),
        )


@pytest.fixture
def run(daifu: Daifu) -> Run:
    """Run a command with the server's folder, and with its merchant where the server is gone."""

    @asynccontextmanager
    async def as_the_server(settings: Settings) -> AsyncIterator[Settings]:
        yield daifu.services.settings

    async def run(group: str, *arguments: str, answers: str = "") -> Result:
        command = {"orders": orders, "notifies": notifies}[group]
        all_arguments = ["--data-dir", str(daifu.services.settings.data_dir), *arguments]
        return await asyncio.to_thread(
            CliRunner().invoke, command, all_arguments, obj=as_the_server, input=answers, catch_exceptions=False
        )

    return run
