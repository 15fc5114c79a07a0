"""A page that vanished without a word: a phone that lost its network closes nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from sandbox.app import Sandbox
from server.bus.hub import BEAT_S, CLOSE_TOO_SLOW, SILENCE_S
from tests.handlers.frames import CLOSE, PING, PONG, answered, frame
from tests.handlers.fronts import FRONTS
from tests.handlers.watching import until_watched_by, watching, with_a_late_hub
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu


@pytest.fixture
def late_s() -> list[float]:
    return [0.0]


@pytest.fixture(params=FRONTS)
async def daifu(
    request: pytest.FixtureRequest,
    late_s: list[float],
    wechat: Sandbox,
    wechat_control: httpx.AsyncClient,
    tmp_path: Path,
) -> AsyncIterator[Daifu]:
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        parts=with_a_late_hub(late_s),
        http_front=request.param,
    )
    yield server
    await server.aclose()


def beat_everybody(daifu: Daifu) -> None:
    for _ in range(BEAT_S):
        daifu.services.hub.tick()


async def test_who_answers_no_ping_is_sent_away_and_who_does_stays(
    late_s: list[float], daifu: Daifu, initiator: Person
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    async with (
        watching(daifu, initiator, order_id) as (alive, alive_writer),
        watching(daifu, initiator, order_id) as (vanished, _),
    ):
        late_s[0] = SILENCE_S - 1
        beat_everybody(daifu)
        alive_writer.write(frame(PONG))
        alive_writer.write(frame(PING, b"heard?"))
        await asyncio.wait_for(alive.readuntil(answered(PONG, b"heard?")), PATIENCE_S)
        assert len(daifu.services.hub) == 2

        late_s[0] = SILENCE_S + 1
        beat_everybody(daifu)

        await until_watched_by(1, daifu)
        goodbye = answered(CLOSE, CLOSE_TOO_SLOW.to_bytes(2) + b"silent")
        await asyncio.wait_for(vanished.readuntil(goodbye), PATIENCE_S)
