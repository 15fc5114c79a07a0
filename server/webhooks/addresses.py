"""
Which addresses may be called from inside our network on somebody else's word: public ones.

An address inside another one (IPv4 in IPv6, in 6to4, in NAT64) is judged by what it leads to.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052


def is_public(text: str) -> bool:
    """Is this address one that everybody reaches alike? Anything that is no address is not."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return is_public(str(inner))
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
