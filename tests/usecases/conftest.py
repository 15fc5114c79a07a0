"""A relay's surroundings, ready."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from tests.usecases.relay_rig import RelayRig, a_rig


@pytest.fixture
async def rig(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[RelayRig]:
    async with a_rig(wechat, wechat_control, tmp_path) as rig:
        yield rig
