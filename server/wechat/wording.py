"""What payers read at WeChat: the goods in its cashier, and the reason beside money that comes back."""

import re
from collections.abc import Mapping
from typing import Final

from server.domain.events import RefundReason

MAX_GOODS_BYTES: Final = 127

# At most 80 bytes each.
REFUND_TEXT: Final[Mapping[RefundReason, str]] = {
    RefundReason.SECOND_MONEY: "这一份已由其他好友付款，款项原路退回",
    RefundReason.LATE_MONEY: "订单已关闭，款项原路退回",
    RefundReason.ORDER_CLOSED: "代付未完成，款项原路退回",
    RefundReason.ASKED: "代付退款",
}

# Blanks of every kind, and what XML 1.0 cannot hold: WeChat would refuse the document, or sign another value than we.
_BLANK_OR_ILLEGAL: Final = re.compile(r"[\s\x00-\x1f\ud800-\udfff\ufffe\uffff]+")


def goods_text(title: str) -> str:
    """Return what the payer reads in WeChat's cashier: at most 127 bytes of UTF-8, cut between characters."""
    text = "代付-" + _BLANK_OR_ILLEGAL.sub(" ", title).strip()
    return text.encode()[:MAX_GOODS_BYTES].decode(errors="ignore")
