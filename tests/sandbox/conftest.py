from collections.abc import AsyncIterator

import pytest

from tests.sandbox.rig import Rig, a_rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with a_rig() as rig:
        yield rig
