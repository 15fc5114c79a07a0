"""API v3's refusals: a code with its HTTP status, and what each refusal of the ledger is called there. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.order import OrderRefused

# Codes are compared without their underscores, as both spellings occur.
_STATUSES: Final[Mapping[str, int]] = {
    "SIGNERROR": 401,
    **dict.fromkeys(("TRADEERROR", "RULELIMIT", "OUTTRADENOUSED", "NOTENOUGH", "NOAUTH", "ACCOUNTERROR"), 403),
    "USERACCOUNTABNORMAL": 403,
    **dict.fromkeys(("ORDERNOTEXIST", "RESOURCENOTEXISTS", "MCHNOTEXISTS"), 404),
    "FREQUENCYLIMITED": 429,
    **dict.fromkeys(("SYSTEMERROR", "OPENIDMISMATCH", "INVALIDTRANSACTIONID", "BANKERROR"), 500),
}
_BAD_REQUEST: Final = 400
NO_NUMBER: Final = "0"

# The ledger's code -> code and the number that ends Request-ID.
_LEDGER_CODES: Final[Mapping[str, tuple[str, str]]] = {
    "ORDERNOTEXIST": ("ORDER_NOT_EXIST", "268512771"),
    "ORDERPAID": ("INVALID_REQUEST", "268498689"),
    "ORDERCLOSED": ("ORDER_CLOSED", NO_NUMBER),
    "REFUNDNOTEXIST": ("RESOURCE_NOT_EXISTS", "268512771"),
    "REFUND_FEE_MISMATCH": ("INVALID_REQUEST", "268498688"),
    "FREQUENCY_LIMITED": ("FREQUENCY_LIMITED", "268447840"),
    "INVALID_TRANSACTIONID": ("INVALID_TRANSACTIONID", NO_NUMBER),
    "PARAM_ERROR": ("PARAM_ERROR", NO_NUMBER),
}
_REPEATED_NUMBER: Final = "201 商户订单号重复"


class V3Refused(Exception):
    """`detail` names the field that is wrong; `number` ends the answer's Request-ID."""

    def __init__(
        self, code: str, message: str, *, detail: Mapping[str, Any] | None = None, number: str = NO_NUMBER
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.detail = detail
        self.number = number

    @property
    def status(self) -> int:
        return _STATUSES.get(self.code.replace("_", ""), _BAD_REQUEST)

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"code": self.code, "message": self.message}
        return told | ({"detail": dict(self.detail)} if self.detail else {})


def bad_field(field: str, issue: str, *, value: object = None, location: str = "body") -> V3Refused:
    """Return the refusal of one field; `location` is body, query or path."""
    detail = {"field": field, "value": value, "issue": issue, "location": location}
    return V3Refused("PARAM_ERROR", f"参数错误：{field}", detail=detail)


def of_ledger(refused: OrderRefused) -> V3Refused:
    """Return a refusal of the ledger in API v3's words; what has no word of its own is an INVALID_REQUEST."""
    if refused.message == _REPEATED_NUMBER:
        return V3Refused("INVALID_REQUEST", refused.message, number="268498688")
    code, number = _LEDGER_CODES.get(refused.code, ("INVALID_REQUEST", NO_NUMBER))
    return V3Refused(code, refused.message, number=number)
