"""
Which of several keys in force proved a message, told to whoever counts: an old key may go once it proves nothing more.

A key is told by its place in the settings, from 1, or by the serial number or id under which WeChat names it: nothing
that is secret, and nothing that a stranger could choose.
"""

from collections.abc import Callable
from enum import StrEnum


class KeyKind(StrEnum):
    API_KEY = "api_key"  # ours at API v2
    API_V3_KEY = "api_v3_key"  # ours at API v3, with which WeChat encrypts
    PLATFORM = "platform"  # WeChat's own at API v3: a certificate's or a public key


Proved = Callable[[KeyKind, str], object]


def uncounted(kind: KeyKind, key: str) -> None:
    """Fills `Proved` for those who do not care."""
