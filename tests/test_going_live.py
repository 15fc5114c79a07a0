"""docs/going-live.md, followed as it is written; the simulator stands for WeChat, and all keys come from files."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from click.testing import CliRunner, Result
from tornado.netutil import bind_sockets

from handlers.process import Server
from operator_commands.doctor import doctor
from operator_commands.orders import orders
from sandbox.app import Sandbox
from server.bootstrap import build
from settings import Settings, load_settings
from tests.people import Person

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "going-live.md"
STEPS: Final = [text.strip().splitlines() for text in re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)]


class Newcomer:
    """Somebody at a shell in a folder of his own, with the page before him."""

    def __init__(self, folder: Path, wechat_url: str, port: int, merchant: dict[str, Any]) -> None:
        self._folder = folder
        self._env = folder / ".env"
        # What is different here: where WeChat is, and how many files a process may open.
        self._env.write_text(f"WECHAT_BASE_URLS={wechat_url}\nPORT={port}\nWATCH_MAX_PER_PROCESS=100\n")
        self._values = {
            "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "DATA_DIR": str(folder / "var"),
            "SESSION_SECRETS": secrets.token_urlsafe(48),
            "WECHAT_APPID": merchant["appid"],
            "WECHAT_APP_SECRET": merchant["app_secret"],
            "WECHAT_MCHID": merchant["mch_id"],
            "WECHAT_API_V3_KEYS": merchant["api_v3_key"],
            "WECHAT_MCH_SERIAL": merchant["serial_no"],
            "WECHAT_MCH_PRIVATE_KEY_FILE": self._download("apiclient_key.pem", merchant["private_key_pem"]),
            "WECHAT_MCH_CERT_FILE": self._download("apiclient_cert.pem", merchant["certificate_pem"]),
            "WECHAT_PUBLIC_KEYS": merchant["platform"]["public_key_id"]
            + "="
            + self._download("pub_key.pem", merchant["platform"]["public_key_pem"]),
            "WECHAT_VERIFY_FILES": self._download("MP_verify_abc.txt", "abc"),
        }

    def fill_in(self, step: int) -> None:
        """Copy the settings of this step, with his own values in place of the page's."""
        for line in STEPS[step]:
            name, _, value = line.partition("=")
            with self._env.open("a") as env:
                env.write(f"{name}={self._values.get(name, value)}\n")

    async def ask_doctor(self) -> dict[str, Any]:
        """Return what is warned of and what is wrong, by code; and that no secret was printed."""
        result = await self.run(doctor, "--json")
        assert not [name for name in ("SESSION_SECRETS", "WECHAT_APP_SECRET") if self._values[name] in result.output]
        return {row["code"]: row for row in json.loads(result.output) if row["level"] in ("warning", "wrong")}

    async def run(self, command: Any, *arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, command, list(arguments), obj=_unchanged, catch_exceptions=False
        )

    def _download(self, name: str, text: str) -> str:
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_text(text)
        return str(file)


@asynccontextmanager
async def _unchanged(settings: Settings) -> AsyncIterator[Settings]:
    assert not settings.needs_simulator
    yield settings


async def test_a_newcomer_goes_live_by_the_page(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    sockets = bind_sockets(0, "127.0.0.1")
    port = sockets[0].getsockname()[1]
    monkeypatch.chdir(tmp_path)
    newcomer = Newcomer(tmp_path, wechat.url, port, merchant)

    newcomer.fill_in(0)
    [missing] = (await newcomer.ask_doctor()).values()
    assert missing["facts"]["says"].endswith("must be set when WECHAT_API is v3")

    newcomer.fill_in(1)
    newcomer.fill_in(2)
    sockets[0].close()
    assert (await newcomer.ask_doctor()).keys() == {"not_running"}

    newcomer.fill_in(3)
    server = Server(await build(load_settings()), bind_sockets(port, "127.0.0.1"))
    assert await newcomer.ask_doctor() == {}

    url = f"http://127.0.0.1:{port}"
    async with Person("小红", url) as initiator, Person("小明", url) as friend:
        await initiator.log_in()
        await friend.log_in()
        order_id = (await initiator.place_order(amount=1))["order_id"]
        page = await initiator.watch(order_id)
        out_trade_no = await friend.start_payment(order_id)
        await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no})
        await page.until_state("PAID")
        shown = await newcomer.run(orders, "show", order_id)
        refunded = await newcomer.run(orders, "refund", order_id, "--yes")
        await page.until_state("REFUNDED")
    await server.aclose()

    assert "PAID" in shown.output
    assert "notify" in shown.output
    assert refunded.exit_code == 0, refunded.output


def test_the_page_names_settings_that_are_there() -> None:
    named = {line.partition("=")[0] for step in STEPS for line in step}

    assert len(STEPS) == 4
    assert named <= {name.upper() for name in Settings.model_fields}
