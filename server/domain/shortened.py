"""Orders and notifies as an operator sees them: everything but whole openids."""

import re
from typing import Final

from msgspec.structs import replace

from server.domain.document import Order, Payment
from server.domain.events import Person
from server.domain.notify import Notify

_HEAD: Final = 4
_TAIL: Final = 2

# Only API v2 says an openid in the open; API v3's notifies are encrypted.
_OPENID_FIELD: Final = re.compile(rb"(<(?:sub_)?openid>\s*(?:<!\[CDATA\[)?)([^<\]]+)")


def short_openid(openid: str) -> str:
    """Return enough of an openid to tell two people of one order apart."""
    return f"{openid[:_HEAD]}…{openid[-_TAIL:]}" if len(openid) > 2 * (_HEAD + _TAIL) else "…"


def shortened_order(order: Order) -> Order:
    """Return the order with nobody's whole openid in it."""
    payments = tuple(map(_shortened_payment, order.payments))
    return replace(order, initiator=_shortened_person(order.initiator), payments=payments)


def shortened_notify(notify: Notify) -> Notify:
    """Return the notify with openids starred out, byte for byte, so that its length still says whether it is whole."""
    return replace(notify, body=_OPENID_FIELD.sub(_starred, notify.body))


def _shortened_payment(payment: Payment) -> Payment:
    begun_by = payment.begun_by and short_openid(payment.begun_by)
    return replace(payment, payer=_shortened_person(payment.payer), begun_by=begun_by)


def _shortened_person(person: Person) -> Person:
    return replace(person, openid=short_openid(person.openid))


def _starred(found: "re.Match[bytes]") -> bytes:
    before, openid = found.groups()
    stars = b"*" * max(0, len(openid) - _HEAD - _TAIL)
    return bytes(before) + (bytes(openid[:_HEAD]) + stars + bytes(openid[-_TAIL:]) if stars else b"*" * len(openid))
