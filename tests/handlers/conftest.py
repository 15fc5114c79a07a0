"""An order, and somebody who posts notifies for it that nobody should believe."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.handlers.forged_notifies import Forger
from tests.people import Person, a_client
from tests.running import Daifu


@pytest.fixture
async def order_id(initiator: Person) -> str:
    return str((await initiator.place_order())["order_id"])


@pytest.fixture
async def forger(
    daifu: Daifu, wechat_control: httpx.AsyncClient, friend: Person, order_id: str
) -> AsyncIterator[Forger]:
    """小明 has pressed pay; nothing is paid yet."""
    out_trade_no = await friend.start_payment(order_id)
    users = (await wechat_control.get("/_sim/users")).json()
    async with a_client(daifu.url) as http:
        yield Forger(
            http=http,
            merchant=(await wechat_control.get("/_sim/merchant")).json(),
            out_trade_no=out_trade_no,
            openid=next(user["openid"] for user in users if user["nickname"] == "小明"),
        )
