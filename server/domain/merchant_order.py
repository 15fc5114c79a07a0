"""
An order as the merchant's own server sees it: every number and every fen, and still no openid.
"""

from msgspec import Struct

from server.domain.document import Balance, Order, OrderState, Payment, balance
from server.domain.events import RefundReason, RefundState, TradeState, TradeType
from server.domain.money import Fen
from server.domain.public_order import PublicPerson


class MerchantRefund(Struct, frozen=True, kw_only=True):
    """
    `refund_id` is WeChat's own number, empty until it has one. One that WeChat closed and that was asked for again is
    `replaced_by` the refund of that number, which pays in its place; null for any other.
    """

    out_refund_no: str
    refund_id: str
    amount: Fen
    reason: RefundReason
    state: RefundState
    asked_at_ms: int
    refunded_at_ms: int | None
    replaced_by: str | None


class MerchantPayment(Struct, frozen=True, kw_only=True):
    """`share` is an index into `share_amounts`, null for money that took none; `transaction_id` is empty until paid."""

    out_trade_no: str
    transaction_id: str
    payer: PublicPerson
    amount: Fen
    share: int | None
    trade_type: TradeType
    trade_state: TradeState
    created_at_ms: int
    paid_at_ms: int | None
    refunds: tuple[MerchantRefund, ...]


class MerchantOrder(Struct, frozen=True, kw_only=True):
    """
    Money in fen, times in Unix milliseconds. `merchant_order_no` is null for what people placed themselves.

    `balance` says where the money is: `received == kept + refund_due + refunded`.
    """

    order_id: str
    merchant_order_no: str | None
    title: str
    note: str
    amount: Fen
    shares: int
    share_amounts: tuple[Fen, ...]
    paid_shares: int
    paid_amount: Fen
    balance: Balance
    state: OrderState
    rev: int
    created_at_ms: int
    expires_at_ms: int
    paid_at_ms: int | None
    closed_at_ms: int | None
    initiator: PublicPerson
    pay_url: str
    payments: tuple[MerchantPayment, ...]


def merchant_order(order: Order, origin: str) -> MerchantOrder:
    """
    Return what the merchant may see of the order.

    Args:
        origin: daifu's public address; friends pay below it.
    """
    held = order.held_shares
    return MerchantOrder(
        order_id=order.order_id,
        merchant_order_no=order.merchant_order_no or None,
        title=order.title,
        note=order.note,
        amount=order.amount,
        shares=len(order.shares),
        share_amounts=order.shares,
        paid_shares=len(held),
        paid_amount=Fen(sum(p.amount for p in held.values())),
        balance=balance(order),
        state=order.state,
        rev=order.rev,
        created_at_ms=order.created_at_ms,
        expires_at_ms=order.expires_at_ms,
        paid_at_ms=order.paid_at_ms,
        closed_at_ms=order.closed_at_ms,
        initiator=PublicPerson(order.initiator.name, order.initiator.avatar),
        pay_url=f"{origin}/pay/{order.order_id}",
        payments=tuple(map(_merchant_payment, order.payments)),
    )


def _merchant_payment(payment: Payment) -> MerchantPayment:
    return MerchantPayment(
        out_trade_no=payment.out_trade_no,
        transaction_id=payment.transaction_id,
        payer=PublicPerson(payment.payer.name, payment.payer.avatar),
        amount=payment.amount,
        share=payment.share,
        trade_type=payment.trade_type,
        trade_state=payment.trade_state,
        created_at_ms=payment.created_at_ms,
        paid_at_ms=payment.paid_at_ms,
        refunds=tuple(
            MerchantRefund(
                out_refund_no=refund.out_refund_no,
                refund_id=refund.refund_id,
                amount=refund.amount,
                reason=refund.reason,
                state=refund.state,
                asked_at_ms=refund.asked_at_ms,
                refunded_at_ms=refund.refunded_at_ms,
                replaced_by=refund.replaced_by or None,
            )
            for refund in payment.refunds
        ),
    )
