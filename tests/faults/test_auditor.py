"""The auditor finds what it is there to find: one mistake at a time in books that were right."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import pytest

from tests.faults.auditor import Audit, Ledger, Stored, history

Books = dict[str, Any]

# An order of 100 + 50 fen. 小明 and 小刚 paid it; 小红 paid the 100 once more and has them back.
ORDER: Final = {
    "order_id": "O",
    "state": "PAID",
    "amount": 150,
    "shares": [100, 50],
    "earns": True,
    "paid_at_ms": 1,
    "payments": [
        {"out_trade_no": "O1", "transaction_id": "T1", "amount": 100, "share": 0},
        {
            "out_trade_no": "O2",
            "transaction_id": "T2",
            "amount": 100,
            "share": None,
            "refunds": [{"out_refund_no": "O2R1", "amount": 100, "reason": "second_money", "state": "SUCCESS"}],
        },
        {"out_trade_no": "O3", "transaction_id": "T3", "amount": 50, "share": 1},
        {"out_trade_no": "O4", "amount": 50, "share": 1},
    ],
}
REWARDS: Final = [{"reward_id": f"{number}:payer", "kind": "payer"} for number in ("O1", "O3")]
ORDERS: Final = [
    {"out_trade_no": "O1", "total_fee": 100, "transaction_id": "T1"},
    {"out_trade_no": "O2", "total_fee": 100, "transaction_id": "T2"},
    {"out_trade_no": "O3", "total_fee": 50, "transaction_id": "T3"},
    {"out_trade_no": "O4", "total_fee": 50},
]
REFUNDS: Final = [{"out_refund_no": "O2R1", "out_trade_no": "O2", "refund_fee": 100, "refund_status": "SUCCESS"}]
ANSWERED: Final = ["O1"]


def books() -> Books:
    right = {"order": ORDER, "rewards": REWARDS, "orders": ORDERS, "refunds": REFUNDS, "answered": ANSWERED}
    return deepcopy(right)


def complaints(books: Books) -> list[str]:
    ledger = Ledger.of(books, answered=books["answered"])
    return Audit(Stored({"O": books["order"]}, books["rewards"]), ledger, rewarded=["payer"]).at_rest()


def test_right_books_raise_no_complaint() -> None:
    assert complaints(books()) == []


def payment(books: Books, number: int) -> dict[str, Any]:
    found: dict[str, Any] = books["order"]["payments"][number - 1]
    return found


MISTAKES: Final[dict[str, tuple[str, Callable[[Books], object]]]] = {
    "money nobody wrote down": ("I1", lambda b: b["orders"].append({**ORDERS[0], "transaction_id": "T9"})),
    "money WeChat never took": ("I1", lambda b: b["orders"].pop(0)),
    "another amount": ("I1", lambda b: b["orders"][0].update(total_fee=99)),
    "second money kept": ("I1", lambda b: payment(b, 2).pop("refunds") and b["refunds"].clear()),
    "a refund that has not arrived": ("I1", lambda b: b["refunds"][0].update(refund_status="PROCESSING")),
    "a refund WeChat never made": ("I1", lambda b: b["refunds"].clear()),
    "a refund nobody asked for": ("I1", lambda b: b["refunds"].append({**REFUNDS[0], "out_refund_no": "O2R2"})),
    "a refund of another amount": ("I1", lambda b: b["refunds"][0].update(refund_fee=99)),
    "both kept and given back": (
        "I2",
        lambda b: payment(b, 1).update(refunds=payment(b, 2)["refunds"]) or payment(b, 2).update(refunds=[]),
    ),
    "a share taken twice": ("I2", lambda b: payment(b, 2).update(share=0)),
    "a share of another amount": ("I2", lambda b: payment(b, 3).update(share=0)),
    "paid without all shares": ("I2", lambda b: payment(b, 3).update(share=None)),
    "all shares and yet open": ("I2", lambda b: b["order"].update(state="OPEN", paid_at_ms=None)),
    "closed after it was paid": ("I3", lambda b: b["order"].update(state="CLOSED", closed_at_ms=2)),
    "a reward granted twice": ("I4", lambda b: b["rewards"].append(REWARDS[0])),
    "a reward for second money": ("I4", lambda b: b["rewards"].append({**REWARDS[0], "reward_id": "O2:payer"})),
    "a reward that was forgotten": ("I4", lambda b: b["rewards"].pop()),
    "answered and not stored": ("I5", lambda b: b["answered"].append("O4")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_under_its_invariant(mistake: str) -> None:
    wrong = books()
    invariant, make = MISTAKES[mistake]
    make(wrong)

    found = complaints(wrong)

    assert any(complaint.startswith(f"{invariant}:") for complaint in found), found


def test_a_refund_that_is_only_owed_is_fine_until_everything_is_at_rest() -> None:
    owed = books()
    payment(owed, 2)["refunds"][0]["state"] = "DUE"
    owed["refunds"].clear()
    ledger = Ledger.of(owed, answered=owed["answered"])

    assert Audit(Stored({"O": owed["order"]}, []), ledger).at_any_moment() == []
    assert Audit(Stored({"O": owed["order"]}, owed["rewards"]), ledger, rewarded=["payer"]).at_rest() != []


def test_states_that_go_back_are_found() -> None:
    assert history(["OPEN", "OPEN", "PAID", "REFUNDED"]) == history(["OPEN", "CLOSING", "CLOSED"]) == []
    assert history(["OPEN", "PAID", "OPEN"]) == ["I3: from PAID to OPEN"]
    assert len(history(["CLOSED", "PAID"])) == 1
