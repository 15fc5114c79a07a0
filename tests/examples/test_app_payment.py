"""The example of an app, at a real daifu: whatever the SDK says, the app ends on what WeChat says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from examples.app_payment import LEFT, AppPayment, DaifuError, simulated_wechat
from sandbox.app import Sandbox
from server.domain.events import PayApi
from tests.handlers.test_scenes import v3_settings
from tests.people import Person
from tests.running import Daifu, start_daifu


@pytest.fixture(params=list(PayApi))
async def daifu(
    request: pytest.FixtureRequest, wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> AsyncIterator[Daifu]:
    """daifu with an app, over one of the APIs."""
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=merchant,
        wechat_api=str(request.param),
        wechat_open_appid=merchant["open_appid"],
        **v3_settings(merchant, tmp_path),
    )
    yield server
    await server.aclose()


@pytest.fixture
async def app(daifu: Daifu, friend: Person) -> AppPayment:
    token = (await friend.http.post("/api/token", json={})).json()["token"]
    return AppPayment(daifu.url, token)


async def test_an_app_pays_and_the_initiators_page_changes(app: AppPayment, wechat: Sandbox, initiator: Person) -> None:
    order_id = (await initiator.place_order())["order_id"]
    page = await initiator.watch(order_id)

    assert await asyncio.to_thread(app.pay, order_id, simulated_wechat(wechat.url)) == "SUCCESS"

    assert (await page.until_state("PAID"))[-1]["order"]["paid_shares"] == 1
    with pytest.raises(DaifuError) as refused:
        await asyncio.to_thread(app.start, order_id)
    assert refused.value.code == "order_not_payable"


async def test_an_app_that_was_closed_while_its_user_paid_asks_with_the_number_it_kept(
    app: AppPayment, daifu: Daifu, wechat: Sandbox, wechat_control: httpx.AsyncClient, initiator: Person
) -> None:
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop", "times": 0})
    order_id = (await initiator.place_order())["order_id"]
    kept, params = await asyncio.to_thread(app.start, order_id)
    assert await asyncio.to_thread(simulated_wechat(wechat.url), params) == 0

    assert await asyncio.to_thread(app.settled, order_id, kept) == "SUCCESS"
    assert (await initiator.read_order(order_id))["state"] == "PAID"


async def test_a_callback_that_says_ok_when_nothing_was_paid_is_not_believed(
    app: AppPayment, initiator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("examples.app_payment.time.sleep", pauses.append)
    order_id = (await initiator.place_order())["order_id"]

    assert await asyncio.to_thread(app.pay, order_id, lambda params: 0) == "NOTPAY"

    assert len(pauses) == 3
    assert (await initiator.read_order(order_id))["state"] == "OPEN"


async def test_who_left_gives_his_share_back_unless_he_had_paid(
    app: AppPayment, wechat: Sandbox, initiator: Person, other_friend: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    assert await asyncio.to_thread(app.pay, order_id, lambda params: LEFT) == "NOTPAY"
    await other_friend.start_payment(order_id)

    paid = (await initiator.place_order())["order_id"]

    def pays_and_says_he_left(params: dict[str, object]) -> int:
        simulated_wechat(wechat.url)(params)
        return LEFT

    assert await asyncio.to_thread(app.pay, paid, pays_and_says_he_left) == "SUCCESS"
