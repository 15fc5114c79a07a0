"""An order, drawn: what it is, its payments with their evidence, refunds, what it still has to do, its story."""

from rich.console import Group, RenderableType
from rich.table import Table

from operator_commands.drawing import a_table, add_row, utc
from server.domain.document import Order, balance
from server.domain.effects import Effect
from server.domain.events import Person


def order_tables(order: Order) -> RenderableType:
    """Return the drawing; amounts are fen, times UTC."""
    tables = [_head(order), _payments(order), _refunds(order), _effects(order), _story(order)]
    return Group(*(table for table in tables if table.row_count))


def _head(order: Order) -> Table:
    money = balance(order)
    table = a_table(f"Order {order.order_id}", "", "")
    table.show_header = False
    for name, value in (
        ("state", order.state),
        ("rev", order.rev),
        ("title", order.title),
        ("note", order.note),
        ("initiator", _person(order.initiator)),
        ("amount", f"{order.amount} fen in shares of {', '.join(map(str, order.shares))}"),
        ("received", f"{money.received} fen = {money.kept} kept + {money.refund_due} due back + {money.refunded} back"),
        ("created", utc(order.created_at_ms)),
        ("expires", utc(order.expires_at_ms)),
        ("paid", utc(order.paid_at_ms)),
        ("closed", utc(order.closed_at_ms)),
    ):
        add_row(table, name, value)
    return table


def _payments(order: Order) -> Table:
    columns = ("out_trade_no", "payer", "fen", "share", "trade_state", "transaction_id", "paid", "evidence")
    table = a_table("Payments", *columns)
    for payment in order.payments:
        share = None if payment.share is None else f"{payment.share + 1} of {len(order.shares)}"
        add_row(
            table,
            payment.out_trade_no,
            _person(payment.payer),
            payment.amount,
            share,
            payment.trade_state,
            payment.transaction_id,
            utc(payment.paid_at_ms),
            payment.evidence,
        )
    return table


def _refunds(order: Order) -> Table:
    columns = ("out_refund_no", "fen", "reason", "state", "refund_id", "asked", "accepted", "back", "by a person")
    table = a_table("Refunds", *columns)
    for refund in (refund for payment in order.payments for refund in payment.refunds):
        add_row(
            table,
            refund.out_refund_no,
            refund.amount,
            refund.reason,
            refund.state,
            refund.refund_id,
            utc(refund.asked_at_ms),
            utc(refund.accepted_at_ms),
            utc(refund.refunded_at_ms),
            f"now {refund.replaced_by}" if refund.replaced_by else refund.settled_note,
        )
    return table


def _effects(order: Order) -> Table:
    table = a_table("Still to do", "effect key", "due", "tries", "last reason", "")
    for effect in sorted(order.effects, key=lambda effect: effect.due_at_ms):
        add_row(table, effect.key, utc(effect.due_at_ms), effect.tries, effect.reason, _standing(effect))
    return table


def _story(order: Order) -> Table:
    table = a_table("Story", "when", "what", "who", "fen")
    for entry in order.entries:
        add_row(table, utc(entry.at_ms), entry.kind, entry.name, entry.amount or None)
    return table


def _standing(effect: Effect) -> str:
    if effect.parked:
        return "PARKED: waits for `orders retry`"
    return "waiting" if effect.is_waiting else "nobody runs it"


def _person(person: Person) -> str:
    return f"{person.name} ({person.openid})"
