"""
Does daifu keep its performance budget? Every row is a ratio of servers that took turns in this same run.

    python -m benchmarks.budget             every row; an hour or so
    python -m benchmarks.budget --quick     the rows against the toys, less of everything; under three minutes

The load driver has core 0 and whatever it drives core 1. Peers live in an environment of their own (`make bench`).
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from benchmarks.budget_rows import MOST_BUSY, idle_rows, toy_rows
from benchmarks.budget_sizes import FULL, QUICK, Sizes
from benchmarks.budget_stores import growth_rows, mongo_rows
from benchmarks.daifu_process import a_shop
from benchmarks.machine import DRIVER_CORE, described, on_core, take_all_files_allowed
from benchmarks.measures import WrongAnswerError
from benchmarks.own_listener import ForeignListenerError
from benchmarks.peer_process import PeerDidNotStart
from benchmarks.ratios import Asked, Outcome
from benchmarks.raw_pages import WrongPageError
from benchmarks.turns import Bench

PEERS_PYTHON: Final = ".venv-bench/bin/python"

# What a server did wrong, or one that is not there: the rows beside it can still be measured.
NOT_MEASURED: Final = (
    WrongAnswerError,
    WrongPageError,
    ForeignListenerError,
    PeerDidNotStart,
    TimeoutError,
    ConnectionError,
)
MIN_WIDTH: Final = 150

console = Console()

Rows = Callable[[Bench], AsyncIterator[Outcome]]

ALL: Final[dict[str, Rows]] = {
    "toys": lambda bench: toy_rows(bench, with_others=True),
    "idle": lambda bench: idle_rows(bench, with_others=True),
    "mongo": mongo_rows,
    "growth": growth_rows,
}
IN_QUICK: Final[dict[str, Rows]] = {
    "toys": lambda bench: toy_rows(bench, with_others=False),
    "idle": lambda bench: idle_rows(bench, with_others=False),
}


@click.command()
@click.option("--quick", is_flag=True, help="Less of everything, and only the rows against the toys.")
@click.option("--rows", type=click.Choice(tuple(ALL)), multiple=True, help="Only these; may be repeated.")
@click.option("--slices", type=int, help="Turns of each server at each load.")
@click.option("--python", default=PEERS_PYTHON, show_default=True, help="The interpreter of the peers' environment.")
@click.option("--event-loop", type=click.Choice(("asyncio", "uvloop")), help="daifu's, if not the one it has anyway.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write every slice there.")
def main(
    *,
    quick: bool,
    rows: tuple[str, ...],
    slices: int | None,
    python: str,
    event_loop: str | None,
    json_file: Path | None,
) -> None:
    """Hold daifu to its budget; the exit code is 1 if a row is not held or could not be measured."""
    take_all_files_allowed()
    sizes = QUICK if quick else FULL
    sizes = replace(sizes, slices=slices or sizes.slices)
    chosen = {name: each for name, each in (IN_QUICK if quick else ALL).items() if not rows or name in rows}
    settings = {"EVENT_LOOP": event_loop} if event_loop else {}
    machine, began_s = described(), time.monotonic()
    console.print(machine, highlight=False)
    with on_core(DRIVER_CORE):
        outcomes = asyncio.run(_measure(sizes, chosen, python, settings))
    Console(width=max(MIN_WIDTH, console.width)).print(table(outcomes))
    console.print(f"{time.monotonic() - began_s:.0f} s; afterwards: load average {os.getloadavg()[0]:.1f}")
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(_report(machine, sizes, outcomes))))
    sys.exit(int(any(outcome.is_missed for outcome in outcomes)))


async def _measure(sizes: Sizes, rows: dict[str, Rows], python: str, settings: dict[str, str]) -> list[Outcome]:
    outcomes = []
    with TemporaryDirectory(prefix="daifu-bench-") as folder:
        async with a_shop(settings) as shop:
            bench = Bench(shop, Path(folder), python, sizes, _track)
            for name, each in rows.items():
                async for outcome in _whatever_comes(name, each(bench)):
                    outcomes.append(outcome)
                    console.print(_line(outcome), highlight=False, markup=False, soft_wrap=True)
    return outcomes


async def _whatever_comes(name: str, rows: AsyncIterator[Outcome]) -> AsyncIterator[Outcome]:
    """Yield the rows; where one cannot be measured, that is what became of it and of those after it."""
    try:
        async for outcome in rows:
            yield outcome
    except NOT_MEASURED as error:
        yield Outcome(Asked(f"further rows of {name}", "", None), None, f"{type(error).__name__}: {error}")


def _track(turns: Iterable[int], load: str) -> Iterable[int]:
    return track(turns, load, console=console, transient=True)


def _line(outcome: Outcome) -> str:
    asked = outcome.asked
    return (
        f"{asked.load} | {asked.against} | {_asked(outcome)} | {_reached(outcome)} | {outcome.verdict} {outcome.said}"
    )


def table(outcomes: Iterable[Outcome]) -> Table:
    """Return a line for each row: what was asked, what was reached, and whether it holds."""
    shown = Table("load", "against", "asked", "reached", "", "medians", "driver busy")
    for outcome in outcomes:
        busy = f"{outcome.driver_busy:.0%}" + (" !" if outcome.driver_busy > MOST_BUSY else "")
        asked = outcome.asked
        cells = (
            _asked(outcome),
            _reached(outcome),
            outcome.verdict,
            escape(outcome.said),
            busy if outcome.driver_busy else "",
        )
        shown.add_row(asked.load, asked.against, *cells)
    return shown


def _asked(outcome: Outcome) -> str:
    asked = outcome.asked
    return f"{asked.bound} {asked.unit}" if asked.bound is not None else "–"


def _reached(outcome: Outcome) -> str:
    return f"{outcome.reached:.2f} {outcome.asked.unit}" if outcome.reached is not None else "–"


def _report(machine: str, sizes: Sizes, outcomes: Iterable[Outcome]) -> dict[str, Any]:
    rows = [
        {
            "load": outcome.asked.load,
            "against": outcome.asked.against,
            "asked": _asked(outcome),
            "reached": outcome.reached,
            "verdict": outcome.verdict,
            "driver_busy": outcome.driver_busy,
            "slices": outcome.slices,
        }
        for outcome in outcomes
    ]
    return {"machine": machine, "sizes": asdict(sizes), "rows": rows}


if __name__ == "__main__":
    main()
