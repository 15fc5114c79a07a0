"""
The people of the simulated WeChat: a few to begin with, and anybody else as soon as he is named.

As in life everybody has another openid under every appid of the merchant.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from sandbox.records import Records

DEFAULT_PERSONAS: Final = ("小明", "小红", "老王", "Alice")
MAX_NAME_CHARS: Final = 32
_COLOURS: Final = ("#07c160", "#10aeff", "#fa9d3b", "#6467f0", "#e15f63", "#1aad9c")


class User(msgspec.Struct, frozen=True):
    """`openid` is the one under the official account's appid."""

    openid: str
    nickname: str

    @property
    def avatar(self) -> str:
        """The name of the picture; like WeChat's own it does not tell the openid, because anybody may see it."""
        return hashlib.sha256(b"avatar:" + self.openid.encode()).hexdigest()[:16]


class Users:
    """An openid is derived from appid and name, so the same persona stays the same person."""

    def __init__(self, records: Records, *, appid: str, other_appids: Sequence[str] = ()) -> None:
        self._records = records
        self._appid = appid
        self._other_appids = other_appids
        self._by_openid: dict[str, User] = {}
        self._by_other_openid: dict[str, User] = {}
        self._by_avatar: dict[str, User] = {}
        for _, user in records.all("user", User):
            self._index(user)
        for name in DEFAULT_PERSONAS:
            self.by_persona(name)

    def __iter__(self) -> Iterator[User]:
        return iter(self._by_openid.values())

    def get(self, openid: str) -> User | None:
        return self._by_openid.get(openid)

    def anywhere(self, openid: str) -> User | None:
        """Return whose openid this is under any of the appids."""
        return self._by_openid.get(openid) or self._by_other_openid.get(openid)

    def openid_of(self, user: User, appid: str) -> str:
        """Return his openid under this appid."""
        return user.openid if appid == self._appid else _openid(appid, user.nickname)

    def is_openid(self, openid: str, appid: str) -> bool:
        """Tell whether somebody has this openid under this very appid."""
        user = self.anywhere(openid)
        return user is not None and self.openid_of(user, appid) == openid

    def by_avatar(self, avatar: str) -> User | None:
        return self._by_avatar.get(avatar)

    def by_persona(self, name: str) -> User:
        """
        Return the user of this name, made on the spot when nobody has it.

        Raises:
            ValueError: The name is blank, longer than 32 characters, or cannot be printed.
        """
        nickname = name.strip()
        if not 0 < len(nickname) <= MAX_NAME_CHARS or not nickname.isprintable():
            raise ValueError(name)
        openid = _openid(self._appid, nickname)
        if openid not in self._by_openid:
            user = User(openid, nickname)
            self._index(user)
            self._records.put("user", openid, user)
        return self._by_openid[openid]

    def _index(self, user: User) -> None:
        self._by_openid[user.openid] = self._by_avatar[user.avatar] = user
        for appid in self._other_appids:
            self._by_other_openid[_openid(appid, user.nickname)] = user

    def to_choose_from(self, recent: int = 12) -> list[User]:
        """Return the default personas and the users named last."""
        defaults = [self.by_persona(name) for name in DEFAULT_PERSONAS]
        others = [user for user in self if user not in defaults]
        return defaults + others[-recent:]


def avatar_svg(user: User) -> str:
    """Draw the first character of the name on a square whose colour belongs to the openid."""
    colour = _COLOURS[hashlib.sha256(user.openid.encode()).digest()[0] % len(_COLOURS)]
    initial = user.nickname[0].upper()
    initial = f"&#{ord(initial[0])};"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="132" height="132" viewBox="0 0 132 132">'
        f'<rect width="132" height="132" rx="16" fill="{colour}"/>'
        '<text x="66" y="70" fill="#fff" font-family="sans-serif" font-size="64" text-anchor="middle" '
        f'dominant-baseline="middle">{initial}</text></svg>'
    )


def _openid(appid: str, nickname: str) -> str:
    digest = hashlib.sha256(f"{appid}\n{nickname}".encode()).digest()
    return "o" + base64.urlsafe_b64encode(digest).decode()[:27]
