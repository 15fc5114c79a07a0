"""What a check found: a code, how bad it is, and facts that may be shown to anybody. The words for it are not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Fact = str | int


class Level(StrEnum):
    """How bad it is, from good to bad."""

    OK = "ok"
    BY_HAND = "by_hand"  # cannot be asked of anybody: a person has to look
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`facts` fill the words for `code`; none of them is ever a secret."""

    level: Level
    code: str
    facts: Mapping[str, Fact]


def ok(code: str, /, **facts: Fact) -> Finding:
    return Finding(Level.OK, code, facts)


def by_hand(code: str, /, **facts: Fact) -> Finding:
    return Finding(Level.BY_HAND, code, facts)


def warning(code: str, /, **facts: Fact) -> Finding:
    return Finding(Level.WARNING, code, facts)


def wrong(code: str, /, **facts: Fact) -> Finding:
    return Finding(Level.WRONG, code, facts)
