"""`run.py reconcile`: one day against WeChat's bill, as a table, as CSV and as an exit code."""

import asyncio
import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from handlers import operator
from handlers.operator import Reconciled, ReconcileDay, Refusal
from operator_commands.drawing import a_table, add_row, console
from operator_commands.reach import Complete, ask_server, data_dir_option, own_services
from server.domain.bill import BillDay
from server.domain.reconciliation import Line, Outcome, Reconciliation
from server.errors import PayError
from server.usecases.reconcile import Told
from settings import Settings, load_settings

MOST_LINES: Final = 100  # on the screen; a CSV file has all of them

CSV_COLUMNS: Final = (
    "day",
    "difference",
    "cure",
    "outcome",
    "reason",
    "out_trade_no",
    "out_refund_no",
    "transaction_id",
    "here_fen",
    "there_fen",
)


class Exit(IntEnum):
    EQUAL = 0  # nothing differed, or no more
    PERSON = 1
    NOT_DONE = 3  # run it again later, or put right what it says


class NotDone(Exception):
    """The running server's own words for why."""


@click.command()
@click.option("--date", "date", type=click.DateTime(["%Y-%m-%d"]), help="The day in Beijing; default yesterday.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write every difference here.")
@click.option("--dry-run", is_flag=True, help="Look only: change nothing, keep no report.")
@data_dir_option
@click.pass_obj
def reconcile(
    complete: Complete, /, date: datetime | None, csv_file: Path | None, data_dir: Path | None, *, dry_run: bool
) -> None:
    """
    Compare a day with WeChat's bill, and cure what can be cured. Safe to stop and to repeat.

    The running server does it where it keeps its orders in SQLite. Exit codes: 0 nothing differs any more, 1 something
    needs a person, 2 wrong usage, 3 not done.
    """
    asked = ReconcileDay(BillDay(date.date()) if date else None, is_dry_run=dry_run)
    try:
        settings = load_settings(**({} if data_dir is None else {"data_dir": data_dir}))
        report = asyncio.run(report_of(asked, settings, complete))
    except (PayError, NotDone) as error:
        click.echo(f"Not done: {error}.", err=True)
        sys.exit(Exit.NOT_DONE)
    sys.exit(show(report, csv_file))


async def report_of(asked: ReconcileDay, settings: Settings, complete: Complete) -> Reconciliation:
    """
    Have the running server do it, or do it here, and draw how far it has come.

    Raises:
        NotDone, PayError: Not done, or not to its end; it may be run again.
    """
    with _progress() as told:
        answer = await ask_server(asked, settings, told=told)
        if answer is None:
            async with own_services(settings, complete) as services:
                return await operator.reconcile(asked, services, told=told)
    if isinstance(answer, Reconciled):
        return answer.report
    raise NotDone(answer.sentence if isinstance(answer, Refusal) else "the running daifu is another version")


def show(report: Reconciliation, csv_file: Path | None) -> Exit:
    """Print the report, write it down if asked, and return how the command ends."""
    _print(report)
    if csv_file:
        try:
            _write_csv(report, csv_file)
        except OSError as error:
            click.echo(f"{csv_file} cannot be written: {error.strerror}", err=True)
            return Exit.NOT_DONE
    return exit_of(report)


def exit_of(report: Reconciliation) -> Exit:
    if report.total(Outcome.UNKNOWN):
        return Exit.NOT_DONE
    return Exit.PERSON if report.total(Outcome.PERSON) or report.total(Outcome.LEFT) else Exit.EQUAL


@contextmanager
def _progress() -> Iterator[Told]:
    """Yield what draws a bar for each stage it hears of."""
    columns = (TextColumn("{task.description:14}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[str, TaskID] = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage)
            progress.update(bars[stage], completed=done, total=total)

        yield told


def _print(report: Reconciliation) -> None:
    screen = console()
    screen.print(f"{report.day}: {report.rows} rows of the bill against {report.orders} orders here")
    if not report.lines:
        screen.print("No difference.")
        return
    screen.print(_sums(report))
    screen.print(_details(report.lines[:MOST_LINES]))
    if len(report.lines) > MOST_LINES:
        screen.print(f"… and {len(report.lines) - MOST_LINES} more: --csv FILE writes all of them")


def _sums(report: Reconciliation) -> Table:
    table = a_table("Differences", "difference", *Outcome)
    for difference, counts in sorted(report.counts.items()):
        add_row(table, difference, *(counts.get(outcome) for outcome in Outcome))
    return table


def _details(lines: tuple[Line, ...]) -> Table:
    table = a_table("One by one", *CSV_COLUMNS[1:])
    for line in lines:
        add_row(table, *_cells(line))
    return table


def _cells(line: Line) -> tuple[object, ...]:
    """Return what stands under `CSV_COLUMNS` after the day."""
    found = line.finding
    amounts = ("" if fen is None else fen for fen in (found.here, found.there))
    numbers = (found.out_trade_no, found.out_refund_no, found.transaction_id)
    return (found.difference, found.cure, line.outcome, line.reason, *numbers, *amounts)


def _write_csv(report: Reconciliation, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        writer.writerows((report.day, *_cells(line)) for line in report.lines)
