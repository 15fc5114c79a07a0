"""What tests of the watch socket share."""

import asyncio

from tests.people import PATIENCE_S, Person, a_client
from tests.running import Daifu


def cookies_of(person: Person) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies.jar)


async def until_watched_by(count: int, daifu: Daifu) -> None:
    """Return when this many watch; every answer of the server gives it a turn to notice who came and who went."""
    async with asyncio.timeout(PATIENCE_S), a_client(daifu.url) as http:
        while len(daifu.services.hub) != count:
            await http.get("/healthz")
