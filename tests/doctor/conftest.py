"""An installation in which nothing is wrong: real-mode settings, all keys in files, the simulator for WeChat."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from sandbox.app import Sandbox
from server.doctor.examine import examine, refused_settings
from server.doctor.finding import Finding, Level
from server.errors import BadSettings
from settings import load_settings
from tests.doctor.papers import Papers
from tests.running import SESSION_SECRET, Daifu, ShiftedClock, start_daifu
from tests.stores.wire_server import database_url, forget


@pytest.fixture(scope="session")
def stranger() -> RSAPrivateKey:
    """A key that belongs to nobody; making one takes a while."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Installation:
    """What the doctor examines; a test plants its mistake in it."""

    settings: dict[str, Any]
    papers: Papers
    folder: Path
    wechat: httpx.AsyncClient
    clock: ShiftedClock = field(default_factory=ShiftedClock)

    async def findings(self) -> list[Finding]:
        try:
            return await examine(load_settings(**self.settings), self.clock)
        except BadSettings as refusal:
            return refused_settings(refusal)

    async def problems(self) -> set[str]:
        """Return the codes of all that is not as it should be."""
        return {each.code for each in await self.findings() if each.level in (Level.WARNING, Level.WRONG)}

    async def suffer(self, target: str, **fault: Any) -> None:
        """Have WeChat answer calls of this kind so."""
        answer = await self.wechat.post("/_sim/faults", json={"target": target, **fault})
        assert answer.status_code < 300, answer.text

    async def change_keys(self, **keys: Any) -> None:
        answer = await self.wechat.post("/_sim/keys", json=keys)
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def installation(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path, stranger: RSAPrivateKey
) -> AsyncIterator[Installation]:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    papers = Papers(tmp_path, merchant, merchant["platform"]["public_key_pem"], stranger)
    daifu = await start_daifu(data_dir=tmp_path / "var", wechat_url=wechat.url, merchant=merchant)
    yield Installation(_sound(daifu, merchant, papers, wechat.url), papers, tmp_path, wechat_control)
    await daifu.aclose()


def _sound(daifu: Daifu, merchant: dict[str, Any], papers: Papers, wechat_url: str) -> dict[str, Any]:
    return {
        "_env_file": None,
        "port": min(daifu.port, 65534),
        "public_url": daifu.url,
        "data_dir": daifu.services.settings.data_dir,
        "session_secrets": SESSION_SECRET,
        "watch_max_per_process": 100,
        "wechat_appid": merchant["appid"],
        "wechat_app_secret": merchant["app_secret"],
        "wechat_miniprogram_appid": merchant["miniprogram_appid"],
        "wechat_miniprogram_secret": merchant["miniprogram_secret"],
        "wechat_open_appid": merchant["open_appid"],
        "wechat_mchid": merchant["mch_id"],
        "wechat_api_keys": merchant["api_key"],
        "wechat_api_v3_keys": merchant["api_v3_key"],
        "wechat_mch_serial": merchant["serial_no"],
        "wechat_mch_private_key_file": str(papers.private_key),
        "wechat_mch_cert_file": str(papers.certificate),
        "wechat_public_keys": f"{merchant['platform']['public_key_id']}={papers.public_key}",
        "wechat_base_urls": wechat_url,
    }


@pytest.fixture
def mongodb_url(tmp_path: Path) -> Iterator[str]:
    """A database of this test's own that nobody has used yet."""
    url = database_url(tmp_path)
    yield url
    forget(url)
