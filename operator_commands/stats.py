"""`run.py stats`: the statistics of some days as tables, beside a running server or without one."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

import click
from msgspec.structs import asdict, astuple

from handlers.requests import BadRequest
from handlers.stats import window
from handlers.texts import REASONS
from operator_commands.drawing import a_table, add_row, console
from operator_commands.reach import NothingDone, data_dir_option
from server.bootstrap import SQLITE_FILE, SystemClock, open_store, stats_of, turn_of
from server.domain.day_stats import DayStats, Funnel
from server.domain.days import day_of
from server.domain.stats import Report, reach, report
from server.errors import ConfigError, StoreError
from server.stores.sqlite_file import FileInUse
from server.stores.sqlite_stats import read_rollups
from server.usecases.keep_stats import StatsKeeper
from settings import Settings, load_settings

NONE: Final = "not enough data"


@click.command()
@click.option("--from", "first", help="First day, yyyy-mm-dd in Beijing; 30 days with the last one by default.")
@click.option("--to", "last", help="Last day; today by default.")
@data_dir_option
def stats(first: str | None, last: str | None, data_dir: Path | None) -> None:
    """Print the statistics of some days, as the dashboard has them."""
    try:
        days = window(first, last, today=day_of(SystemClock().now_ms()))
    except BadRequest as bad:
        reason = REASONS[str(bad.detail["reason"])]["en"].format_map(bad.detail)
        raise click.BadParameter(reason, param_hint=f"--{bad.detail['field']}") from None
    settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
    try:
        rollups = asyncio.run(_rollups(settings, *days))
    except (ConfigError, StoreError) as error:
        raise NothingDone(str(error)) from None
    draw(report(rollups, first=days[0], last=days[1]))


async def _rollups(settings: Settings, first: str, last: str) -> Sequence[DayStats]:
    """Return the days' roll-ups: brought up to date first, unless the running server, which has the file, does it."""
    path = settings.data_dir / SQLITE_FILE
    if not settings.mongodb_url.get_secret_value() and not path.exists():
        raise ConfigError(f"{path} is not there: no order was ever stored; name the folder with --data-dir")
    try:
        store = await open_store(settings)
        kept = stats_of(store)
    except FileInUse:
        return read_rollups(path, first=reach(first), last=last)
    async with aclosing(store):
        turn = turn_of(store)  # not taken: who asks now wants to know now
        await StatsKeeper(
            store=store, stats=kept, turn=turn, clock=SystemClock(), changed_days=set()
        ).bring_up_to_date()
        return await kept.rollups(first=reach(first), last=last)


def draw(found: Report) -> None:
    """Print the report."""
    totals = a_table(f"{found.first} – {found.last}", "what", "how much")
    for row in _totals(found):
        add_row(totals, *row)
    days = a_table("by day (Beijing)", "day", *Funnel.__struct_fields__, "P gross", "P net", "payments", "yuan")
    for day in found.days:
        if day.funnel.created or day.payments.count:
            counts = (*astuple(day.funnel), _percent(day.success.gross), _percent(day.success.net), day.payments.count)
            add_row(days, day.day, *counts, _yuan(day.payments.amount))
    out = console()
    out.print(totals)
    out.print(days)


def _totals(found: Report) -> list[tuple[str, str]]:
    success, fission, delay = found.success, found.fission, found.delay
    k = NONE if fission.k is None else f"{fission.k:.3f}"
    ratio = NONE if fission.ratio is None else f"{fission.ratio:.2f}"
    return [
        *((name, str(count)) for name, count in asdict(found.funnel).items()),
        (
            "success rate P",
            f"{_percent(success.gross)} gross, {_percent(success.net)} net, of {success.decided} decided",
        ),
        ("fission coefficient K", f"{k} (new {fission.new}, seed {fission.seed}, new/seed {ratio})"),
        ("money kept, yuan", _yuan(found.kept_amount)),
        ("notify delay", f"50 % {_within(delay.p50_ms)}, 95 % {_within(delay.p95_ms)}, of {delay.count} payments"),
        ("evidence", ", ".join(f"{kind} {count}" for kind, count in found.evidence.items()) or NONE),
        ("refunds", ", ".join(f"{state} {tally.count}" for state, tally in found.refunds.items()) or "none"),
        ("parked effects", str(found.parked_count)),
        *(("", f"{parked.order_id} {parked.effect}: {parked.reason}") for parked in found.parked),
    ]


def _percent(part: float | None) -> str:
    return NONE if part is None else f"{part:.1%}"


def _within(end_ms: int | None) -> str:
    return "–" if end_ms is None else f"≤ {end_ms / 1000:g} s"


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"
