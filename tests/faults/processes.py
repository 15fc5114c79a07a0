"""daifu as a process of its own, to be killed at any instruction."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_S = 20

SECRET_SETTINGS = ("SESSION_SECRETS", "WECHAT_APP_SECRET", "WECHAT_API_KEYS", "WECHAT_API_V3_KEYS")
OPENID = re.compile(r"(?<![0-9A-Za-z_-])o(?=[a-z_-]*[0-9A-Z])[0-9A-Za-z_-]{27}(?![0-9A-Za-z_-])")


def leaks_in(text: str, environment: Mapping[str, str]) -> list[str]:
    """Return the names of the secrets of this environment that stand in the text, and `openid` if one does."""
    secrets = [name for name in SECRET_SETTINGS if environment.get(name) and environment[name] in text]
    return secrets + ["openid"] * bool(OPENID.search(text))


def a_free_port() -> int:
    """Return a port nobody listens on, with the one above it free as well."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class ServerProcess:
    """`python run.py serve` on a fixed port and folder, so that it can be started again after its death."""

    def __init__(
        self, *, port: int, data_dir: Path, environment: dict[str, str] | None = None, program: Path = ROOT / "run.py"
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._arguments = (str(program), "serve", "--port", str(port), "--data-dir", str(data_dir))
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._output = data_dir / "output.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, *, ready_path: str = "/readyz") -> None:
        """Start it and wait until it can work, or only until this path answers 200."""
        self._output.parent.mkdir(parents=True, exist_ok=True)
        with self._output.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, *self._arguments),
                env=self._environment,
                cwd=ROOT,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
            )
        async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(trust_env=False) as http:
            while not await self._is_ready(http, ready_path):
                assert self._process.returncode is None, "daifu ended instead of starting"

    def kill(self) -> None:
        """SIGKILL, now."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)

    def terminate(self) -> None:
        assert self._process is not None
        self._process.terminate()

    async def ended(self) -> int:
        """Wait for its end; return the exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    async def aclose(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self.terminate()
            await self.ended()
        self._check_output()

    def _check_output(self) -> None:
        """Nothing a process ever wrote may show a secret."""
        written = self._output.read_text(errors="replace") if self._output.exists() else ""
        assert leaks_in(written, self._environment) == []

    async def _is_ready(self, http: httpx.AsyncClient, path: str) -> bool:
        try:
            return (await http.get(f"{self.url}{path}")).status_code == 200
        except httpx.TransportError:
            await asyncio.sleep(0.02)  # nothing tells when a port opens but asking
            return False


def merchant_environment(url: str, wechat_url: str, merchant: dict[str, Any]) -> dict[str, str]:
    """Return the settings of a real merchant whose WeChat is this simulator."""
    return {
        "PUBLIC_URL": url,
        "SESSION_SECRETS": "a session secret for tests and nothing else",
        "WECHAT_APPID": merchant["appid"],
        "WECHAT_APP_SECRET": merchant["app_secret"],
        "WECHAT_MCHID": merchant["mch_id"],
        "WECHAT_API_KEYS": merchant["api_key"],
        "WECHAT_BASE_URLS": wechat_url,
        # One initiator and two friends do here what thousands do in life.
        **dict.fromkeys(("RATE_ORDERS_PER_MIN", "RATE_PAYMENTS_PER_MIN", "RATE_LOGINS_PER_MIN"), "0"),
    }
