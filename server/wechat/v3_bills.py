"""
The trade bill at API v3: the call that asks where it is, and the file read once its checksum is right.

The file is unsigned; its SHA-1, over the text before it was packed, comes in the signed answer. What the text means is
`bills.read_bill`'s, for both APIs.

Source: WeChat Pay API v3, "apply for a trade bill", "download a bill".
"""

import hashlib
import hmac
import re
from datetime import date
from typing import Final
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from server.domain.bill import Bill
from server.errors import MalformedBill, MalformedNotify, WeChatUnavailable
from server.wechat.bills import read_bill, unpacked
from server.wechat.v3_calls import Call
from server.wechat.v3_json import read_json

TRADEBILL: Final = "tradebill"
_SHA1: Final = re.compile(r"[0-9a-fA-F]{40}")


class BillFile(Struct, frozen=True):
    """Where the bill is, for five minutes, and its checksum."""

    hash_type: str
    hash_value: str
    download_url: str


def tradebill(day: date) -> Call:
    """Return the call that asks for all trades of a day in Beijing."""
    query = {"bill_date": day.isoformat(), "bill_type": "ALL", "tar_type": "GZIP"}
    return Call(TRADEBILL, "GET", f"/v3/bill/tradebill?{urlencode(query)}")


def read_tradebill(body: bytes) -> BillFile:
    """
    Read the answer to `tradebill`.

    Raises:
        WeChatUnavailable: It names no file and checksum.
    """
    try:
        file = read_json(body, BillFile)
    except MalformedNotify as error:
        raise WeChatUnavailable(TRADEBILL, error.reason) from None
    if file.hash_type != "SHA1" or not _SHA1.fullmatch(file.hash_value):
        raise WeChatUnavailable(TRADEBILL, "hash_type")
    return file


def download(file: BillFile) -> Call:
    """
    Return the call that fetches the file, signed as any other. It goes to the host we know, whatever the address says.

    Raises:
        WeChatUnavailable: The address is not one of API v3.
    """
    parts = urlsplit(file.download_url)
    if not parts.path.startswith("/v3/") or not file.download_url.isascii() or not file.download_url.isprintable():
        raise WeChatUnavailable(TRADEBILL, "download_url")
    return Call("billdownload", "GET", f"{parts.path}?{parts.query}")


def read_file(body: bytes, file: BillFile) -> Bill:
    """
    Read the file, plain or gzipped. A large one is seconds of work.

    Raises:
        MalformedBill: It is not the one that was announced, or does not add up.
    """
    sha1 = hashlib.sha1(unpacked(body), usedforsecurity=False).hexdigest()
    if not hmac.compare_digest(sha1, file.hash_value.lower()):
        raise MalformedBill("its checksum is another")
    return read_bill(body)
