"""An initiator who is not looking is told by a message that somebody has paid for him."""

from typing import Final

from server.domain.document import Order, find_attempt
from server.domain.effects import Effect
from server.domain.events import EffectFinished
from server.errors import WeChatError, WeChatRefused
from server.usecases.effect_means import Means, Outcome, log

# All tries lie within six minutes, and WeChat sends what it knows already once within ten: after that a message whose
# outcome nobody knows is left at that.  Source: WeChat Official Accounts, template messages, `client_msg_id`.
MOST_TRIES: Final = 6


async def tell_initiator(order: Order, effect: Effect, means: Means) -> Outcome:
    """
    Send one message about one payment, unless the initiator looks at the order anyway or the money has gone back.

    A message is a convenience: what WeChat refuses (he does not follow the account, the template is gone) is let go.
    """
    payment = find_attempt(order, effect.about)
    finished = (EffectFinished(effect.key),)
    teller = means.teller
    if (
        teller is None
        or not order.tells_initiator
        or not payment.left
        or await teller.presence.is_watching(order.order_id)
    ):
        return finished
    try:
        await teller.tell(order, payment)
    except WeChatRefused as refused:
        log.warning("message_refused", order_id=order.order_id, effect=effect.key, code=refused.code)
    except WeChatError as error:
        if effect.tries + 1 < MOST_TRIES:
            raise
        log.warning("message_given_up", order_id=order.order_id, effect=effect.key, reason=str(error))
    return finished
