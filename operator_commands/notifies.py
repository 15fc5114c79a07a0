"""`run.py notifies …`: what WeChat, or somebody else, posted, and what came of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import click
from msgspec import json

from handlers.operator import ListNotifies, NotifiesAnswer, Replayed, ReplayNotify, ShowNotify
from operator_commands.drawing import console
from operator_commands.notify_tables import notify_details, notify_list
from operator_commands.reach import Complete, Desk, NothingDone, data_dir_option
from server.domain.notify import NotifyFilter, Verdict

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def a_time(text: str) -> int:
    """
    Return Unix milliseconds of `30m`, `6h`, `7d` back from now, or of a UTC moment such as `2026-11-20T08:30`.

    Raises:
        BadParameter: It is neither.
    """
    try:
        if text[:-1].isascii() and text[:-1].isdigit() and text[-1] in _UNITS:
            moment = datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
        else:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise click.BadParameter("write 30m, 6h, 7d, 2026-11-20 or 2026-11-20T08:30 (UTC)") from None


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON; bodies are base64, openids starred out."
)


@click.group()
@data_dir_option
@click.pass_context
def notifies(context: click.Context, data_dir: Path | None) -> None:
    """
    List, look at and replay what WeChat posted, as far back as NOTIFY_KEEP_DAYS.

    Exit codes: 0 found or done, 1 nothing found or done, 2 wrong usage.
    """
    complete: Complete = context.obj
    context.obj = Desk(complete, data_dir)


@notifies.command("list")
@click.option("--since", "since_ms", type=a_time, help="30m, 6h, 7d, or a UTC moment.")
@click.option("--verdict", type=click.Choice(list(Verdict), case_sensitive=False), help="What was made of it.")
@click.option("--order", "order_id", help="Of this order only.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The newest so many.")
@json_option
@click.pass_obj
def list_notifies(desk: Desk, /, *, limit: int, as_json: bool, **wanted: Any) -> None:
    """List notifies, newest first."""
    answer = desk.ask(ListNotifies(NotifyFilter(**wanted), limit), NotifiesAnswer)
    if as_json:
        click.echo(json.format(json.encode(answer.notifies)))
    elif answer.notifies:
        console().print(notify_list(answer.notifies))
    if not answer.notifies:
        raise NothingDone("no notify fits")


@notifies.command()
@click.argument("notify_id")
@json_option
@click.pass_obj
def show(desk: Desk, /, notify_id: str, *, as_json: bool) -> None:
    """Show one notify with its headers and its body."""
    [notify] = desk.ask(ShowNotify(notify_id), NotifiesAnswer).notifies
    if as_json:
        click.echo(json.format(json.encode(notify)))
    else:
        console().print(notify_details(notify))


@notifies.command()
@click.argument("notify_id")
@click.pass_obj
def replay(desk: Desk, /, notify_id: str) -> None:
    """
    Take a notify in again, exactly as if WeChat had just posted it.

    Harmless at any time: a payment or refund that the order knows changes nothing.
    """
    replayed = desk.ask(ReplayNotify(notify_id), Replayed)
    reason = f" ({replayed.reason})" if replayed.reason else ""
    order = f", order {replayed.order_id}" if replayed.order_id else ""
    click.echo(f"{replayed.verdict}{reason}{order}")
    if replayed.verdict is not Verdict.SETTLED:
        raise NothingDone("the order is as it was")
