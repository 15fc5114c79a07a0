"""A person who logged in at least once."""

from msgspec import Struct


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`first_seen_ms` is written once and never again: the statistics ask who was new."""

    openid: str
    name: str
    avatar: str = ""
    first_seen_ms: int
