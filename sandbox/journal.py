"""What the simulator was asked and what it sent, in order; the oldest entries give way."""

from collections import deque
from typing import Final

import msgspec

MAX_ENTRIES: Final = 100_000


class Call(msgspec.Struct, omit_defaults=True):
    """`answer` is SUCCESS, the error's code or words, or the fault that stood in for an answer."""

    at_ms: float
    api: str
    answer: str
    out_trade_no: str = ""
    out_refund_no: str = ""


class SentNotify(msgspec.Struct, omit_defaults=True):
    """`nth` counts WeChat's attempts from 1; `status` is None when no HTTP answer came. Pay notifies have no refund."""

    out_trade_no: str
    nth: int
    sent_at_ms: float
    answered_at_ms: float | None
    status: int | None
    answer: str
    fault: str = ""
    out_refund_no: str = ""


class Journal:
    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=MAX_ENTRIES)
        self.notifies: deque[SentNotify] = deque(maxlen=MAX_ENTRIES)
