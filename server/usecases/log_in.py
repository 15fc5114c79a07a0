"""Logins: what was handed in once is never taken again, and whom WeChat tells of becomes a person."""

import hashlib
from typing import Final

from server.domain.events import Person
from server.domain.user import User
from server.errors import LoginRefused
from server.official_ports import MiniProgramGateway
from server.ports import Cache, Clock, Store, WeChatUser

SPENT_S: Final = 600  # longer than any code or state of a login is good for

# This one stands on the pages for somebody who told no name: he refused to, or came by the mini-program.
NAMELESS: Final = "微信用户"


async def spend(kind: str, value: str, *, cache: Cache) -> None:
    """
    Take this code or state, once on all processes.

    WeChat takes no code twice either, and a state is bound to its browser: this is the second lock, and where the cache
    has forgotten, the first one holds.

    Raises:
        LoginRefused: It was taken before.
    """
    digest = hashlib.sha256(value.encode()).hexdigest()
    if not await cache.add(f"spent_{kind}:{digest}", "1", ttl_s=SPENT_S):
        raise LoginRefused(f"{kind}_used")


async def log_in(found: WeChatUser, *, store: Store, clock: Clock) -> Person:
    """
    Return the person WeChat told of, known to the store from now on. Told no name, he has the one he told us before.

    Raises:
        StoreUnavailable: Unknown.
    """
    known = None if found.name else await store.find_user(found.openid)
    if known is not None:
        return Person(known.openid, known.name, known.avatar)
    name = found.name or NAMELESS
    await store.remember_user(User(openid=found.openid, name=name, avatar=found.avatar, first_seen_ms=clock.now_ms()))
    return Person(found.openid, name, found.avatar)


def is_nameless(person: Person) -> bool:
    """Is his name still to be learned?"""
    return person.name in ("", NAMELESS)


async def log_in_miniprogram(
    js_code: str, name: str, *, gateway: MiniProgramGateway, store: Store, cache: Cache, clock: Clock
) -> Person:
    """
    Return the person whose `wx.login` gave this code, known to the store from now on.

    Args:
        name: What he calls himself; empty for nothing.

    Raises:
        LoginRefused: The code is wrong, used or too old.
        WeChatRefused, WeChatUnavailable: As `MiniProgramGateway.redeem`.
    """
    await spend("code", js_code, cache=cache)
    openid = await gateway.redeem(js_code)
    user = User(openid=openid, name=name or NAMELESS, avatar="", first_seen_ms=clock.now_ms())
    await store.remember_user(user)
    return Person(user.openid, user.name, user.avatar)
