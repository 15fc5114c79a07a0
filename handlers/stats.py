"""The statistics of a window of days, as JSON and as CSV."""

import csv
import io
import re
from datetime import date
from typing import Final

from msgspec.structs import astuple

from handlers.operator_request import OperatorHandler
from handlers.requests import BadRequest
from server.domain.day_stats import Funnel
from server.domain.days import day_after, day_of, days_from
from server.domain.stats import Day, Report, reach, report

DEFAULT_DAYS: Final = 30
MAX_DAYS: Final = 731

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_HEAD: Final = (
    *("day", *Funnel.__struct_fields__),
    *("decided", "decided_paid", "decided_kept", "success_gross", "success_net", "payments", "payments_amount"),
)


class StatsHandler(OperatorHandler):
    """/api/stats?from=<yyyy-mm-dd>&to=<yyyy-mm-dd>: days in Beijing, both among them; the last thirty by default."""

    async def get(self) -> None:
        self.answer(await self.read_report())

    async def read_report(self) -> Report:
        """
        Return the statistics of the window asked for.

        Raises:
            BadRequest: `from` or `to` is no day, or the window is none or too long.
        """
        asked_from, asked_to = (self.get_query_argument(name, None) for name in ("from", "to"))
        first, last = window(asked_from, asked_to, today=day_of(self.services.clock.now_ms()))
        rollups = await self.services.stats.rollups(first=reach(first), last=last)
        return report(rollups, first=first, last=last)


class StatsTableHandler(StatsHandler):
    """/api/stats.csv: a row for each day."""

    async def get(self) -> None:
        found = await self.read_report()
        self.set_header("Content-Type", "text/csv; charset=utf-8")
        self.set_header("Content-Disposition", f'attachment; filename="daifu-{found.first}-{found.last}.csv"')
        self.finish(as_csv(found))


def window(asked_from: str | None, asked_to: str | None, *, today: str) -> tuple[str, str]:
    """
    Return the first and the last day of the window asked for.

    Raises:
        BadRequest: `from` or `to` is no day, or the window is none or too long.
    """
    last = today if asked_to is None else _day("to", asked_to)
    first = day_after(last, 1 - DEFAULT_DAYS) if asked_from is None else _day("from", asked_from)
    if first > last:
        raise BadRequest("from", "day_order")
    if len(days_from(first, last)) > MAX_DAYS:
        raise BadRequest("from", "too_many_days", limit=MAX_DAYS)
    return first, last


def _day(name: str, value: str) -> str:
    try:
        if _DAY.fullmatch(value) and "2000" <= value < "2200":
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise BadRequest(name, "not_a_day")


def as_csv(found: Report) -> str:
    """Return a row for each day under its names; money in fen, what cannot be said is empty."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_HEAD)
    table.writerows(_row(day) for day in found.days)
    return text.getvalue()


def _row(day: Day) -> tuple[object, ...]:
    success = day.success
    return (
        *(day.day, *astuple(day.funnel)),
        *(success.decided, success.paid, success.kept, success.gross, success.net),
        *(day.payments.count, day.payments.amount),
    )
