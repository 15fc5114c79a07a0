"""
Every error daifu raises on purpose.

    PayError                  retry: may the same call work later?
    ├── OrderError            OrderNotFound  IllegalTransition  OrderNotPayable  ShareLeased  TooManyAttempts
    │                         UnknownAttempt  AmountMismatch  PayerMismatch  TransactionMismatch  RefundTooLarge
    │                         TooManyRefunds  RefundNotClosed  RefundNotStuck  RefundPaidTwice
    │                         IdempotencyMismatch  MerchantOrderNoTaken
    ├── BadNotify             MalformedNotify  SignatureMismatch  MerchantMismatch        the peer's fault
    │                         SignatureProbe  StaleNotify  UnknownSerial  SealBroken
    ├── WeChatError           WeChatUnavailable (retry)  WeChatRefused  StaleToken        our call failed
    │                         NoBill  MalformedBill
    ├── WebhookFailed         an endpoint of the merchant did not take an event
    ├── DeliveryNotFound      the log of webhooks has no such delivery
    ├── LoginError            LoginRefused                                                the login has to be done again
    ├── StoreError            StoreUnavailable (retry)  DuplicateOrder  StoreCorrupt  NotifyNotFound
    └── ConfigError           BadSettings                                                 at start-up only

An error carries its facts as attributes and writes its sentence in `__str__`; no fact is ever a key or a whole openid.
HTTP statuses and the words people read belong to `handlers/`.
"""

from typing import ClassVar


class PayError(Exception):
    """Base of every error below; anything else that is raised is a bug."""

    retry: ClassVar[bool] = False


class OrderError(PayError):
    """The order does not allow what was asked of it; nothing was stored."""


class OrderNotFound(OrderError):
    """No such order, or it is not this person's to see."""

    def __init__(self, order_id: str) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"no order {self.order_id}"


class IllegalTransition(OrderError):
    """The state machine has no row for this state and event."""

    def __init__(self, order_id: str, state: str, event: str) -> None:
        super().__init__(order_id, state, event)
        self.order_id = order_id
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"order {self.order_id} is {self.state}: {self.event} is not possible"


class OrderNotPayable(OrderError):
    """
    Nobody can start a payment on this order any more.

    `state` is the order's state, or `EXPIRED` when its time has run out but nobody has closed it yet.
    """

    def __init__(self, order_id: str, state: str) -> None:
        super().__init__(order_id, state)
        self.order_id = order_id
        self.state = state

    def __str__(self) -> str:
        return f"order {self.order_id} takes no payment: it is {self.state}"


class ShareLeased(OrderError):
    """Every share still open is being paid by somebody else just now; try again at `until_ms`."""

    def __init__(self, order_id: str, until_ms: int, now_ms: int) -> None:
        super().__init__(order_id, until_ms, now_ms)
        self.order_id = order_id
        self.until_ms = until_ms
        self.retry_after_s = max(1, -(-(until_ms - now_ms) // 1000))

    def __str__(self) -> str:
        return f"order {self.order_id}: another friend is paying, try again in {self.retry_after_s} s"


class TooManyAttempts(OrderError):
    """The order holds as many payment attempts as one document may."""

    def __init__(self, order_id: str, limit: int) -> None:
        super().__init__(order_id, limit)
        self.order_id = order_id
        self.limit = limit

    def __str__(self) -> str:
        return f"order {self.order_id} already has {self.limit} payment attempts"


class UnknownAttempt(OrderError):
    """The order exists, the `out_trade_no` is none of its attempts."""

    def __init__(self, out_trade_no: str) -> None:
        super().__init__(out_trade_no)
        self.out_trade_no = out_trade_no

    def __str__(self) -> str:
        return f"no payment attempt {self.out_trade_no}"


class AmountMismatch(OrderError):
    """WeChat reports another amount (fen) or currency than this attempt was made for."""

    def __init__(self, out_trade_no: str, expected: int, got: int, fee_type: str = "CNY") -> None:
        super().__init__(out_trade_no, expected, got, fee_type)
        self.out_trade_no = out_trade_no
        self.expected = expected
        self.got = got
        self.fee_type = fee_type

    def __str__(self) -> str:
        return f"{self.out_trade_no}: expected {self.expected} fen CNY, WeChat says {self.got} {self.fee_type}"


class PayerMismatch(OrderError):
    """WeChat reports another payer than the one this attempt is bound to."""

    def __init__(self, out_trade_no: str) -> None:
        super().__init__(out_trade_no)
        self.out_trade_no = out_trade_no

    def __str__(self) -> str:
        return f"{self.out_trade_no}: WeChat reports another payer"


class TransactionMismatch(OrderError):
    """A `transaction_id` that already paid one attempt is reported for another one."""

    def __init__(self, out_trade_no: str, transaction_id: str) -> None:
        super().__init__(out_trade_no, transaction_id)
        self.out_trade_no = out_trade_no
        self.transaction_id = transaction_id

    def __str__(self) -> str:
        return f"{self.out_trade_no}: transaction {self.transaction_id} belongs to another attempt"


class RefundTooLarge(OrderError):
    """More is asked back than is left of this payment (fen)."""

    field: ClassVar[str] = "amount"

    def __init__(self, out_trade_no: str, asked: int, left: int) -> None:
        super().__init__(out_trade_no, asked, left)
        self.out_trade_no = out_trade_no
        self.asked = asked
        self.left = left

    def __str__(self) -> str:
        return f"{self.out_trade_no}: {self.asked} fen asked back, {self.left} left"


class TooManyRefunds(OrderError):
    """This payment can go back in no more parts; all that is left of it (fen) still can, in one."""

    field: ClassVar[str] = "amount"

    def __init__(self, out_trade_no: str, limit: int, left: int) -> None:
        super().__init__(out_trade_no, limit, left)
        self.out_trade_no = out_trade_no
        self.limit = limit
        self.left = left

    def __str__(self) -> str:
        return f"{self.out_trade_no}: goes back in {self.limit} parts at most, the last one of all {self.left} fen left"


class RefundNotClosed(OrderError):
    """Only a refund that WeChat closed may go back under another number: of any other, money may still arrive."""

    def __init__(self, out_refund_no: str, state: str) -> None:
        super().__init__(out_refund_no, state)
        self.out_refund_no = out_refund_no
        self.state = state

    def __str__(self) -> str:
        return f"refund {self.out_refund_no} is {self.state}, and only one that WeChat CLOSED can be asked for again"


class RefundNotStuck(OrderError):
    """WeChat has paid this refund, or may still: whoever paid it by hand would pay twice."""

    def __init__(self, out_refund_no: str, state: str) -> None:
        super().__init__(out_refund_no, state)
        self.out_refund_no = out_refund_no
        self.state = state

    def __str__(self) -> str:
        return f"refund {self.out_refund_no} is {self.state}, and only one that is ABNORMAL or CLOSED is paid by hand"


class RefundPaidTwice(OrderError):
    """WeChat says this refund has arrived, and a person has found another way for its money before."""

    def __init__(self, out_refund_no: str) -> None:
        super().__init__(out_refund_no)
        self.out_refund_no = out_refund_no

    def __str__(self) -> str:
        return f"refund {self.out_refund_no}: WeChat says that it arrived, and it was paid another way too"


class IdempotencyMismatch(OrderError):
    """This Idempotency-Key was used before with another body."""

    field: ClassVar[str] = "Idempotency-Key"

    def __str__(self) -> str:
        return "this Idempotency-Key was used with another request"


class MerchantOrderNoTaken(OrderError):
    """The merchant used this number of his before, with another body."""

    field: ClassVar[str] = "merchant_order_no"

    def __init__(self, merchant_order_no: str) -> None:
        super().__init__(merchant_order_no)
        self.merchant_order_no = merchant_order_no

    def __str__(self) -> str:
        return f"the merchant's number {self.merchant_order_no} was used with another request"


class BadNotify(PayError):
    """A notify we do not believe; nothing was stored."""


class MalformedNotify(BadNotify):
    """The body is not what WeChat sends; `reason` names the first rule it breaks and never quotes the body."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"malformed: {self.reason}"


class SignatureMismatch(BadNotify):
    """No key of ours made this signature."""

    def __str__(self) -> str:
        return "signature does not match"


class SignatureProbe(SignatureMismatch):
    """WeChat signed wrongly on purpose, to see whether anybody looks. Refused like any wrong signature."""


class StaleNotify(BadNotify):
    """Signed `age_s` seconds ago by our clock (below zero: ahead of it), which is more than is believed."""

    def __init__(self, age_s: int) -> None:
        super().__init__(age_s)
        self.age_s = age_s

    def __str__(self) -> str:
        return f"signed {self.age_s} s ago"


class UnknownSerial(BadNotify):
    """Signed, it says, with a key of WeChat's that we do not have (yet)."""

    def __init__(self, serial_no: str) -> None:
        super().__init__(serial_no)
        self.serial_no = serial_no

    def __str__(self) -> str:
        return f"no key {self.serial_no[:64]} of WeChat's"


class SealBroken(BadNotify):
    """No API v3 key of ours opens what is encrypted."""

    def __str__(self) -> str:
        return "no API v3 key opens it"


class MerchantMismatch(BadNotify):
    """Rightly signed, but for another `appid`, `mch_id` or `sub_mch_id` (`field` says which)."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field

    def __str__(self) -> str:
        return f"{self.field} is not ours"


class WeChatError(PayError):
    """A call of ours to WeChat did not succeed."""


class WeChatUnavailable(WeChatError):
    """
    No answer, or none we can believe: the outcome is unknown and must be asked for later.

    `reason` is a short word for logs (`timeout`, `http_502`, `signature`, `SYSTEMERROR` …), never a body.
    """

    retry = True

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(call, reason)
        self.call = call
        self.reason = reason

    def __str__(self) -> str:
        return f"WeChat {self.call}: outcome unknown ({self.reason})"


class WeChatRefused(WeChatError):
    """WeChat understood and said no; `code` is its `err_code` (or `return_msg` / `errcode` as text)."""

    def __init__(self, call: str, code: str, message: str) -> None:
        super().__init__(call, code, message)
        self.call = call
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"WeChat {self.call}: {self.code} {self.message}"


class StaleToken(WeChatError):
    """WeChat does not take this access token (any more): renew it once, then call again. `code` is its `errcode`."""

    def __init__(self, call: str, code: str) -> None:
        super().__init__(call, code)
        self.call = call
        self.code = code

    def __str__(self) -> str:
        return f"WeChat {self.call}: {self.code} access token not valid"


class NoBill(WeChatError):
    """WeChat has no bill for this day: nobody paid, or it is too early to ask."""

    def __str__(self) -> str:
        return "WeChat has no bill for this day: there is one from 10:00 the next morning in Beijing"


class MalformedBill(WeChatError):
    """This is no bill we can add up; `reason` names the first rule it breaks and never quotes it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"malformed bill: {self.reason}"


class WebhookFailed(PayError):
    """An endpoint of the merchant did not take an event; `reason` is a short code such as `timeout` or `http_500`."""

    retry = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"webhook not taken: {self.reason}"


class DeliveryNotFound(PayError):
    """The log of webhooks has no such delivery."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(delivery_id)
        self.delivery_id = delivery_id

    def __str__(self) -> str:
        return f"no delivery {self.delivery_id}"


class LoginError(PayError):
    """The person has to log in (again)."""


class LoginRefused(LoginError):
    """The login that was under way cannot be finished; `reason` is a short code such as `state` or `code_used`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"login refused: {self.reason}"


class StoreError(PayError):
    """The store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The store did not answer; whether a write happened is unknown. Do not acknowledge, ask again."""

    retry = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"store unavailable: {self.reason}"


class DuplicateOrder(StoreError):
    """An order with this id is there already."""

    def __init__(self, order_id: str) -> None:
        super().__init__(order_id)
        self.order_id = order_id

    def __str__(self) -> str:
        return f"order {self.order_id} exists"


class StoreCorrupt(StoreError):
    """A stored document cannot be read back; `what` names it, never its content."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"unreadable in the store: {self.what}"


class NotifyNotFound(StoreError):
    """There is no such notify in the journal, or none any more."""

    def __init__(self, notify_id: str) -> None:
        super().__init__(notify_id)
        self.notify_id = notify_id

    def __str__(self) -> str:
        return f"no notify {self.notify_id}"


class ConfigError(PayError):
    """daifu refuses to start; the sentence names the setting or file and what to do, never a value."""


class BadSettings(ConfigError):
    """Settings are missing or wrong; each of `lines` names one and says why, and none says a value."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        super().__init__(lines)
        self.lines = lines

    def __str__(self) -> str:
        return "; ".join(self.lines)
