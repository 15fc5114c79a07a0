"""What a notify is to the one that sends it: where it goes, what goes out, and which answer ends its repeats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sandbox import flat_xml
from sandbox.faults import Fault


@dataclass(frozen=True)
class Letter:
    """One sending: the headers beside HTTP's own, and the body's exact bytes."""

    headers: Mapping[str, str]
    body: bytes


class Notice(Protocol):
    """What the merchant is to be told, and where."""

    @property
    def url(self) -> str: ...

    def letter(self, fault: Fault | None = None) -> Letter:
        """Return a sending that the merchant can trust, bent by a fault of content."""
        ...

    def forged_letter(self, fault: Fault) -> Letter:
        """Return a sending that the merchant must not trust."""
        ...

    def read_answer(self, status: int, body: bytes) -> str:
        """Return SUCCESS only for what WeChat takes as SUCCESS, else what is wrong with the answer."""
        ...


def xml_letter(body: bytes) -> Letter:
    return Letter({"Content-Type": "text/xml"}, body)


def read_xml_answer(status: int, body: bytes) -> str:
    """Return SUCCESS for API v2's document that says so with HTTP 200, else what is wrong."""
    if status != 200:
        return f"HTTP {status}"
    try:
        fields = flat_xml.read(body)
    except flat_xml.BadXml as error:
        return str(error)
    if fields.get("return_code") == "SUCCESS":
        return "SUCCESS"
    return f"{fields.get('return_code', '')}: {fields.get('return_msg', '')}"
