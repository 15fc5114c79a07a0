"""
What an operator may ask for, and how it is done with a server's services.

The command line sends a request to the running server (`operator_socket.py`) or carries it out with services of its
own; both do the very same here. An answer holds no whole openid.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from handlers.judge_notify import judge_notify
from server.bootstrap import Services
from server.domain.bill import BillDay
from server.domain.document import ORDER_ID_LENGTH, Order, find_attempt, order_id_of
from server.domain.events import CloseRequested, Event, Evidence, RefundRequested
from server.domain.money import Fen
from server.domain.notify import Notify, NotifyFilter, Verdict
from server.domain.reconciliation import Reconciliation
from server.domain.shortened import shortened_notify, shortened_order
from server.errors import PayError
from server.usecases.change_order import Change, try_change
from server.usecases.confirm_payment import ask_wechat
from server.usecases.reconcile import Told, find_differences, left_alone, told_nobody
from server.usecases.reconcile_daily import reconcile_day
from server.usecases.retry_effect import retry_effect
from server.usecases.stuck_refund import refund_again, settle_by_hand

# What is asked for


class ShowOrder(Struct, frozen=True, tag=True):
    """`number` is the order's id, or any number that begins with it."""

    number: str


class QueryOrder(Struct, frozen=True, tag=True):
    """Ask WeChat about every attempt of the order or, with an `out_trade_no`, about this one."""

    number: str


class CloseOrder(Struct, frozen=True, tag=True):
    order_id: str


class RefundOrder(Struct, frozen=True, tag=True):
    """Of one payment with its number, of all without; `amount` in fen, None for all that is left."""

    order_id: str
    out_trade_no: str | None = None
    amount: int | None = None


class RefundAgain(Struct, frozen=True, tag=True):
    """Pay a refund that WeChat closed under a new number."""

    out_refund_no: str


class SettledByHand(Struct, frozen=True, tag=True):
    """A stuck refund was paid back outside WeChat; `note` says how."""

    out_refund_no: str
    note: str


class RetryEffects(Struct, frozen=True, tag=True):
    """Run this effect now; without a key every parked one."""

    order_id: str
    key: str | None = None


class ListNotifies(Struct, frozen=True, tag=True):
    wanted: NotifyFilter
    limit: int


class ShowNotify(Struct, frozen=True, tag=True):
    notify_id: str


class ReplayNotify(Struct, frozen=True, tag=True):
    notify_id: str


class ReconcileDay(Struct, frozen=True, tag=True):
    """`day` None is yesterday, in Beijing; a dry run looks and changes nothing."""

    day: BillDay | None
    is_dry_run: bool


Asked = (
    ShowOrder
    | QueryOrder
    | CloseOrder
    | RefundOrder
    | RefundAgain
    | SettledByHand
    | RetryEffects
    | ListNotifies
    | ShowNotify
    | ReplayNotify
    | ReconcileDay
)

# What is answered


class OrderAnswer(Struct, frozen=True, tag=True):
    """The order as it is now; `is_done` is False if there was nothing to do."""

    order: Order
    is_done: bool


class NotifiesAnswer(Struct, frozen=True, tag=True):
    notifies: list[Notify]


class Replayed(Struct, frozen=True, tag=True):
    """What the notify is worth now."""

    verdict: Verdict
    reason: str
    order_id: str


class Reconciled(Struct, frozen=True, tag=True):
    report: Reconciliation


class Progress(Struct, frozen=True, tag=True):
    """Not yet the answer: of this stage so much is done."""

    stage: str
    done: int
    total: int


class Refusal(Struct, frozen=True, tag=True):
    """Nothing was done; `sentence` says why."""

    sentence: str


Answer = OrderAnswer | NotifiesAnswer | Replayed | Reconciled | Refusal


async def carry_out(asked: Asked, services: Services, *, told: Told = told_nobody) -> Answer:
    """
    Do what was asked through the use cases everybody goes through; an error of theirs is a refusal.

    Args:
        told: Hears how far it has come, where that takes long.
    """
    try:
        if isinstance(asked, ReconcileDay):
            return Reconciled(await reconcile(asked, services, told=told))
        return await _DOERS[type(asked)](asked, services)
    except PayError as error:
        return Refusal(str(error))


async def _show_order(asked: ShowOrder, services: Services) -> Answer:
    return _answer(await services.store.get(order_id_of(asked.number)), is_done=True)


async def _query_order(asked: QueryOrder, services: Services) -> Answer:
    order = await services.store.get(order_id_of(asked.number))
    if len(asked.number) > ORDER_ID_LENGTH:
        payments = [find_attempt(order, asked.number)]
    else:
        payments = list({payment.out_trade_no: payment for payment in order.payments}.values())
    for payment in payments:
        order = await ask_wechat(
            payment,
            Evidence.QUERY,
            store=services.store,
            bus=services.bus,
            gateway=services.gateway,
            clock=services.clock,
        )
    return _answer(order, is_done=bool(payments))


async def _close_order(asked: CloseOrder, services: Services) -> Answer:
    return await _happen(asked.order_id, CloseRequested(), services)


async def _refund_order(asked: RefundOrder, services: Services) -> Answer:
    amount = None if asked.amount is None else Fen(asked.amount)
    return await _happen(asked.order_id, RefundRequested(out_trade_no=asked.out_trade_no, amount=amount), services)


async def _refund_again(asked: RefundAgain, services: Services) -> Answer:
    return _changed(
        await refund_again(
            asked.out_refund_no,
            store=services.store,
            bus=services.bus,
            gateway=services.gateway,
            clock=services.clock,
        )
    )


async def _settled_by_hand(asked: SettledByHand, services: Services) -> Answer:
    return _changed(
        await settle_by_hand(
            asked.out_refund_no,
            asked.note,
            store=services.store,
            bus=services.bus,
            gateway=services.gateway,
            clock=services.clock,
        )
    )


async def _happen(order_id: str, event: Event, services: Services) -> Answer:
    return _changed(await try_change(order_id, event, store=services.store, bus=services.bus, clock=services.clock))


async def _retry_effects(asked: RetryEffects, services: Services) -> Answer:
    order = before = await services.store.get(asked.order_id)
    parked = [effect.key for effect in order.effects if effect.parked]
    for key in parked if asked.key is None else [asked.key]:
        order = await retry_effect(asked.order_id, key, store=services.store, bus=services.bus, clock=services.clock)
    return _answer(order, is_done=order is not before and order.rev != before.rev)


async def _list_notifies(asked: ListNotifies, services: Services) -> Answer:
    found = await services.journal.find(asked.wanted, limit=asked.limit)
    return NotifiesAnswer([shortened_notify(notify) for notify in found])


async def _show_notify(asked: ShowNotify, services: Services) -> Answer:
    return NotifiesAnswer([shortened_notify(await services.journal.get(asked.notify_id))])


async def _replay_notify(asked: ReplayNotify, services: Services) -> Answer:
    notify = await services.journal.get(asked.notify_id)
    if not notify.is_whole:
        return Refusal(f"only {len(notify.body)} of {notify.size_bytes} bytes of it were kept: it cannot be replayed")
    judgement = await judge_notify(
        notify.route, notify.headers, notify.body, services, received_at_ms=notify.received_at_ms
    )
    return Replayed(judgement.verdict, judgement.reason, judgement.order_id)


async def reconcile(asked: ReconcileDay, services: Services, *, told: Told) -> Reconciliation:
    """
    Do it, and tell how far it has come.

    Raises:
        NoBill, WeChatError, StoreError: Not done, or not to its end; it may be run again.
    """
    now_ms = services.clock.now_ms()
    day = asked.day or BillDay.of(now_ms).earlier(1)
    if asked.is_dry_run:
        return left_alone(await find_differences(day, services.means, told=told), now_ms=now_ms)
    return await reconcile_day(day, services.means, services.reconciliations, told=told)


def _changed(change: Change) -> OrderAnswer:
    return _answer(change.order, is_done=change.is_news)


def _answer(order: Order, *, is_done: bool) -> OrderAnswer:
    return OrderAnswer(shortened_order(order), is_done)


_DOERS: Final[Mapping[type[Asked], Callable[[Any, Services], Awaitable[Answer]]]] = {
    ShowOrder: _show_order,
    QueryOrder: _query_order,
    CloseOrder: _close_order,
    RefundOrder: _refund_order,
    RefundAgain: _refund_again,
    SettledByHand: _settled_by_hand,
    RetryEffects: _retry_effects,
    ListNotifies: _list_notifies,
    ShowNotify: _show_notify,
    ReplayNotify: _replay_notify,
}
