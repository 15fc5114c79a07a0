"""`run.py doctor`: is everything set up so that money can be taken? A table, JSON, and an exit code."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from operator_commands import doctor_words_en, doctor_words_zh
from operator_commands.drawing import a_table, add_row, console
from operator_commands.reach import Complete, data_dir_option
from server.bootstrap import SystemClock
from server.doctor.examine import examine, refused_settings
from server.doctor.finding import Finding, Level
from server.errors import BadSettings, ConfigError
from settings import load_settings


class Exit(IntEnum):
    FINE = 0  # what has to be looked at by a person counts as fine
    WARNINGS = 1
    WRONG = 3


_WORST_FIRST: Final = (Level.WRONG, Level.WARNING, Level.BY_HAND, Level.OK)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of the findings.")
@click.option(
    "--language",
    envvar=("LC_ALL", "LC_MESSAGES", "LANG"),
    default="en",
    help="zh or en; default as the terminal's (LC_ALL, LC_MESSAGES, LANG).",
)
@data_dir_option
@click.pass_obj
def doctor(complete: Complete, /, language: str, data_dir: Path | None, *, as_json: bool) -> None:
    """
    Examine settings, keys, clock, WeChat's side, stores and this machine, and say what to do. No secret is printed.

    Changes nothing. Exit codes: 0 fine, 1 warnings only, 2 wrong usage, 3 something is wrong.
    """
    overrides = {} if data_dir is None else {"data_dir": data_dir}
    try:
        found = asyncio.run(_examined(complete, overrides))
    except BadSettings as refusal:
        found = refused_settings(refusal)
    except ConfigError as error:
        click.echo(f"Not examined: {error}.", err=True)
        sys.exit(Exit.WRONG)
    words = doctor_words_zh if language.startswith("zh") else doctor_words_en
    _print_json(found, words) if as_json else _print_table(found, words)
    sys.exit(exit_of(found))


def exit_of(found: Sequence[Finding]) -> Exit:
    levels = {each.level for each in found}
    if Level.WRONG in levels:
        return Exit.WRONG
    return Exit.WARNINGS if Level.WARNING in levels else Exit.FINE


def told(finding: Finding, words: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """Return what the finding means and what to do."""
    means, to_do = words[finding.code]
    return means.format_map(finding.facts), to_do.format_map(finding.facts)


async def _examined(complete: Complete, overrides: Mapping[str, Any]) -> list[Finding]:
    async with complete(load_settings(**overrides)) as settings:
        return await examine(settings, SystemClock())


def _print_table(found: Sequence[Finding], words: ModuleType) -> None:
    table = a_table("daifu doctor", *words.COLUMNS)
    for level in _WORST_FIRST:
        for finding in found:
            if finding.level is level:
                add_row(table, words.LEVELS[level], *told(finding, words.WORDS))
    console().print(table)


def _print_json(found: Sequence[Finding], words: ModuleType) -> None:
    rows = []
    for finding in found:
        means, to_do = told(finding, words.WORDS)
        row = {"level": finding.level, "code": finding.code, "facts": dict(finding.facts)}
        rows.append({**row, "means": means, "to_do": to_do})
    click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
