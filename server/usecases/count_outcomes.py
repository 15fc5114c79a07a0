"""What the relay's work came to, for the metrics."""

from collections.abc import Iterable

from server.domain.document import Order
from server.domain.effects import Effect
from server.domain.events import RefundState
from server.metrics import Metrics


def count_outcomes(metrics: Metrics, before: Order, after: Order, run: Iterable[Effect]) -> None:
    """Count what became of the effects that were run, and of the money by them; `after` is stored."""
    left = {effect.key: effect for effect in after.effects}
    for effect in run:
        metrics.effects.labels(effect.kind, _outcome(left.get(effect.key))).inc()
    known = _refund_states(before)
    for out_refund_no, state in _refund_states(after).items():
        if known.get(out_refund_no) is not state:
            metrics.refunds.labels(state).inc()
    found = sum(p.is_paid for p in after.payments) - sum(p.is_paid for p in before.payments)
    metrics.payments_found.inc(found)


def _outcome(effect: Effect | None) -> str:
    if effect is None:
        return "done"
    return "parked" if effect.parked else "postponed"


def _refund_states(order: Order) -> dict[str, RefundState]:
    return {refund.out_refund_no: refund.state for payment in order.payments for refund in payment.refunds}
