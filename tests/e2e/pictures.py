"""
The pictures of the README: the real pages, with the simulated WeChat behind them.

    python -m tests.e2e.pictures docs/img
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.async_api import expect

from sandbox.app import start as start_sandbox
from tests.e2e.phones import Look, Phones, Tab, some_phones
from tests.people import a_client
from tests.running import Daifu, start_daifu

PHONE: Final = Look(locale="zh-CN", width=375)
DESK: Final = Look(locale="zh-CN", width=1280)


async def take_pictures(daifu: Daifu, phones: Phones, folder: Path) -> None:
    """Play an order for two and keep what the screens show on the way."""
    initiator = await phones.open_as("小红", daifu.url, PHONE)
    await _keep(initiator, folder / "home.png")
    url = await initiator.create_order(title="周五的奶茶", yuan="36", shares=2)
    await initiator.is_live()
    friend = await phones.open_as("小明", url.replace("/orders/", "/pay/"), PHONE)
    await friend.is_live()
    await _keep(friend, folder / "pay.png")
    await friend.press_pay()
    await friend.pay_in_cashier()
    await initiator.page.get_by_text("小明").first.wait_for()
    await _keep(initiator, folder / "order.png")
    operator = await (await phones.new(DESK)).open(f"{daifu.url}/admin")
    await operator.ready()
    await _keep(operator, folder / "admin.png")


async def _keep(tab: Tab, path: Path) -> None:
    await expect(tab.page.locator("#toast")).to_be_hidden()
    await tab.page.evaluate("scrollTo(0, 0)")
    await tab.page.screenshot(path=path, animations="disabled")


async def main(folder: Path) -> None:
    sandbox = await start_sandbox()
    with TemporaryDirectory() as data_dir:
        async with a_client(sandbox.url) as control, some_phones() as phones:
            merchant = (await control.get("/_sim/merchant")).json()
            daifu = await start_daifu(data_dir=Path(data_dir), wechat_url=sandbox.url, merchant=merchant)
            await take_pictures(daifu, phones, folder)
            await daifu.aclose()
    await sandbox.aclose()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
