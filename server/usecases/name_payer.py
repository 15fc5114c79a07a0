"""Who paid by a code or a link: WeChat says his openid, and perhaps he has logged in here before."""

from msgspec.structs import replace

from server.domain.events import PaymentConfirmed, Person
from server.ports import Store


async def name_payer(paid: PaymentConfirmed, *, store: Store) -> PaymentConfirmed:
    """
    Return it with the name of who paid, if it is not told by the attempt and known to us.

    Raises:
        StoreUnavailable: Unknown.
    """
    if not paid.openid or not paid.trade_type.changes_hands:
        return paid
    user = await store.find_user(paid.openid)
    return paid if user is None else replace(paid, payer=Person(user.openid, user.name, user.avatar))
