"""What WeChat booked on one day: the other side of the ledger, read and added up by `server/wechat/`."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, Self

from msgspec import Struct

from server.domain.money import Fen

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_BEIJING_AHEAD_MS: Final = 8 * _HOUR_MS  # all the year
_EPOCH: Final = date(1970, 1, 1)


class BillDay(Struct, frozen=True):
    """A day of WeChat's books, from midnight to midnight in Beijing. The only place inside that knows Beijing time."""

    date: date

    @classmethod
    def of(cls, time_ms: int) -> Self:
        """Return the day this moment (Unix ms) belongs to."""
        return cls((datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=time_ms + _BEIJING_AHEAD_MS)).date())

    @property
    def start_ms(self) -> int:
        return (self.date - _EPOCH).days * _DAY_MS - _BEIJING_AHEAD_MS

    @property
    def end_ms(self) -> int:
        """The first moment of the next day."""
        return self.start_ms + _DAY_MS

    @property
    def bill_from_ms(self) -> int:
        """When its bill may be fetched: 10:00 the next morning.  Source: WeChat Pay API v2, "download bill"."""
        return self.end_ms + 10 * _HOUR_MS

    def holds(self, time_ms: int | None) -> bool:
        return time_ms is not None and self.start_ms <= time_ms < self.end_ms

    def earlier(self, days: int) -> "BillDay":
        """Return the day so many days before."""
        return BillDay(self.date - timedelta(days=days))

    def __str__(self) -> str:
        return self.date.isoformat()


@dataclass(frozen=True, kw_only=True, slots=True)
class BillRow:
    """
    One payment (`SUCCESS`), one refund (`REFUND`) or one cancelled payment, as WeChat booked it.

    A payment's row has no refund numbers, a refund's row no `amount`: the missing ones are empty or 0. `amount` and
    `refund_amount` are what we asked for (fen); None in the older layout, which tells only what was settled, and that
    is less where a coupon paid a part.
    """

    traded_at_ms: int
    appid: str
    mch_id: str
    transaction_id: str
    out_trade_no: str
    openid: str
    trade_type: str
    trade_state: str
    fee_type: str
    settled: Fen
    amount: Fen | None
    refund_id: str
    out_refund_no: str
    refund_settled: Fen
    refund_amount: Fen | None
    refund_status: str
    goods: str


@dataclass(frozen=True, slots=True)
class Bill:
    """One day, in WeChat's order; its own summary agrees with the rows."""

    rows: tuple[BillRow, ...]
