"""A person who logged in at least once."""

from msgspec import Struct


class User(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    `first_seen_ms` is written once and never again, and so is `brought_by`, the openid of the initiator whose order he
    paid first: the statistics ask who was new, and through whom.
    """

    openid: str
    name: str
    avatar: str = ""
    first_seen_ms: int
    brought_by: str = ""
