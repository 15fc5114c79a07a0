"""`run.py orders …`: look at an order, and do for it what its people or its relay would do."""

from pathlib import Path
from typing import Any

import click
from msgspec import json

from handlers.operator import (
    CloseOrder,
    OrderAnswer,
    QueryOrder,
    RefundAgain,
    RefundOrder,
    RetryEffects,
    SettledByHand,
    ShowOrder,
)
from handlers.requests import MAX_NOTE, BadRequest, clean_text
from handlers.texts import text
from operator_commands.drawing import console
from operator_commands.order_tables import order_tables
from operator_commands.reach import Complete, Desk, NothingDone, data_dir_option


def _checked_note(context: click.Context, option: click.Parameter, note: str) -> str:
    try:
        return clean_text(note, "note", max_length=MAX_NOTE, required=True, lines="one")
    except BadRequest as error:
        raise click.BadParameter(text("bad_request", "en", error.detail)) from None


json_option = click.option("--json", "as_json", is_flag=True, help="Print the document, with shortened openids.")


@click.group()
@data_dir_option
@click.pass_context
def orders(context: click.Context, data_dir: Path | None) -> None:
    """
    Look at an order; query, close or refund it; retry what was parked; see to a refund that WeChat will not pay.

    The running server does it where it keeps its orders in SQLite; with MongoDB the command does. Exit codes: 0 done,
    1 nothing was done or found, 2 wrong usage.
    """
    complete: Complete = context.obj
    context.obj = Desk(complete, data_dir)


@orders.command()
@click.argument("number")
@json_option
@click.pass_obj
def show(desk: Desk, /, number: str, *, as_json: bool) -> None:
    """Show the order with this id, or with this out_trade_no or out_refund_no."""
    _print(desk.ask(ShowOrder(number), OrderAnswer), as_json=as_json)


@orders.command()
@click.argument("number")
@json_option
@click.pass_obj
def query(desk: Desk, /, number: str, *, as_json: bool) -> None:
    """Ask WeChat now about one payment (out_trade_no), or about all of an order, and write down what it says."""
    _print(desk.ask(QueryOrder(number), OrderAnswer), as_json=as_json, nothing="it has no payment to ask about")


@orders.command()
@click.argument("order_id")
@json_option
@click.pass_obj
def close(desk: Desk, /, order_id: str, *, as_json: bool) -> None:
    """Close an order that is not paid: its open payments are closed at WeChat first, what was paid goes back."""
    _print(desk.ask(CloseOrder(order_id), OrderAnswer), as_json=as_json, nothing="it is closed or closing already")


@orders.command()
@click.argument("order_id")
@click.option("--payment", "out_trade_no", help="Only this payment (out_trade_no); default the whole order.")
@click.option("--amount", type=click.IntRange(1, 10**9), help="So many fen; default all that is left.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def refund(desk: Desk, /, order_id: str, *, yes: bool, as_json: bool, **asked: Any) -> None:
    """Pay a paid order back, wholly or in part."""
    refund_order = RefundOrder(order_id, **asked)
    if not yes:
        click.confirm(_question(refund_order), abort=True)
    _print(desk.ask(refund_order, OrderAnswer), as_json=as_json, nothing="there is no money left to pay back")


@orders.command("refund-again")
@click.argument("out_refund_no")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def again(desk: Desk, /, out_refund_no: str, *, yes: bool, as_json: bool) -> None:
    """Pay a refund that WeChat closed under a new number. WeChat is asked first; a repeat pays nothing more."""
    if not yes:
        click.confirm(f"Pay refund {out_refund_no} under a new number?", abort=True)
    nothing = "it goes back under a new number already"
    _print(desk.ask(RefundAgain(out_refund_no), OrderAnswer), as_json=as_json, nothing=nothing)


@orders.command("settled-by-hand")
@click.argument("out_refund_no")
@click.option("--note", required=True, callback=_checked_note, help="How it was paid, kept as the evidence.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def settled(desk: Desk, /, out_refund_no: str, *, note: str, yes: bool, as_json: bool) -> None:
    """Write down that a refund that is ABNORMAL or CLOSED was paid back outside WeChat."""
    if not yes:
        click.confirm(f"Has the friend all the money of refund {out_refund_no}?", abort=True)
    nothing = "it is settled by hand already, and the first note stays"
    _print(desk.ask(SettledByHand(out_refund_no, note), OrderAnswer), as_json=as_json, nothing=nothing)


@orders.command()
@click.argument("order_id")
@click.argument("effect_key", required=False)
@json_option
@click.pass_obj
def retry(desk: Desk, /, order_id: str, effect_key: str | None, *, as_json: bool) -> None:
    """Run a parked effect again, by its key as `show` names it; without a key all that are parked."""
    nothing = "no effect with this key waits" if effect_key else "no effect is parked"
    _print(desk.ask(RetryEffects(order_id, effect_key), OrderAnswer), as_json=as_json, nothing=nothing)


def _question(asked: RefundOrder) -> str:
    amount = "all that is left" if asked.amount is None else f"{asked.amount} fen"
    payment = "" if asked.out_trade_no is None else f" payment {asked.out_trade_no} of"
    return f"Pay back {amount} of{payment} order {asked.order_id}?"


def _print(answer: OrderAnswer, *, as_json: bool, nothing: str = "") -> None:
    if as_json:
        click.echo(json.format(json.encode(answer.order)))
    else:
        console().print(order_tables(answer.order))
    if not answer.is_done:
        raise NothingDone(nothing)
