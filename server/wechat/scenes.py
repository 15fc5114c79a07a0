"""
What a client is handed where nothing needs our signature: a code to scan, or a link that opens WeChat's H5 cashier.

Source: WeChat Pay API v2 and v3, "Native payment", "H5 payment".
"""

from urllib.parse import quote

from server.domain.prepaid import Prepaid


def unsigned_params(prepaid: Prepaid, *, return_url: str) -> dict[str, str | int]:
    """Return the parameters for a code or a link; none where there is a `prepay_id`, which is handed over signed."""
    if prepaid.code_url:
        return {"code_url": prepaid.code_url, "expires_at_ms": prepaid.expires_at_ms}
    if prepaid.mweb_url:
        return {"mweb_url": h5_link(prepaid.mweb_url, return_url), "expires_at_ms": prepaid.expires_at_ms}
    return {}


def h5_link(mweb_url: str, return_url: str) -> str:
    """
    Return the link that comes back to `return_url` after the cashier, whether or not anybody paid.

    Everything in `return_url` is encoded; WeChat's own link always has a query to go on from.
    """
    return f"{mweb_url}&redirect_url={quote(return_url, safe='')}"
