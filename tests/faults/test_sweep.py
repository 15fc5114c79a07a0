"""kill -9 at some of a flow's writes, flushes and sends; `make faults` tries every one."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.shelves import MongoShelf, SqliteShelf
from tests.faults.site import Site, a_site
from tests.faults.sweep import FLOWS, sweep
from tests.stores.wire_server import database_url

pytestmark = pytest.mark.process

SOME = 2


@pytest.fixture(params=["sqlite", pytest.param("mongo", marks=pytest.mark.mongo)])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    assert shutil.which("strace"), "the sweep needs strace; tests/install_strace installs it"
    if request.param == "sqlite":
        async with a_site(tmp_path, SqliteShelf(tmp_path)) as site:
            yield site
        return
    url = database_url(tmp_path)
    async with a_site(tmp_path, MongoShelf(url), MONGODB_URL=url) as site:
        yield site


@pytest.mark.parametrize("flow", FLOWS)
async def test_killed_at_some_of_its_points_the_money_is_right_and_everything_happens_once(
    site: Site, flow: str
) -> None:
    swept = await sweep(site, FLOWS[flow], most=SOME)

    assert swept.complaints == []
    assert swept.points > SOME
    assert swept.hit
